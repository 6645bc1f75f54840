"""Teams: who works on a task, what each answers with, and what becomes of it (mortgage and punishment)."""
