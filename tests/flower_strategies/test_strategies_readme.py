import re
from pathlib import Path

README = Path(__file__).parents[2] / "flower_strategies" / "README.md"


def test_the_example_runs(capsys):
    [example] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(example, str(README), "exec"), {"__name__": "example"})  # noqa: S102
    assert capsys.readouterr().out.splitlines()[-1] == "{1: (), 2: ('104',), 3: ()}"
