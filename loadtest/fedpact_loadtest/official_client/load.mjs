// Keeps transactions in flight with Fabric's official client: `node load.mjs`, a JSON object a line in and out.
//
// The first line is who calls what (`_Order` in official_client.py); each further one is a turn, {name, seconds},
// and is answered with its outcomes (`Outcomes` in in_flight.py).

import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as readline from 'node:readline';
import * as grpc from '@grpc/grpc-js';
import fabric from '@hyperledger/fabric-gateway';

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const order = JSON.parse((await lines.next()).value);
const seconds = () => Number(process.hrtime.bigint()) / 1e9; // CLOCK_MONOTONIC
const soon = (limit) => () => ({ deadline: Date.now() + limit * 1000 });

const options = order.server_name ? { 'grpc.ssl_target_name_override': order.server_name } : {};
const credentials = grpc.credentials.createSsl(fs.readFileSync(order.tls_root));
const client = new grpc.Client(order.endpoint, credentials, options);
const gateway = fabric.connect({
    client,
    identity: { mspId: order.mspid, credentials: fs.readFileSync(order.certificate) },
    signer: fabric.signers.newPrivateKeySigner(crypto.createPrivateKey(fs.readFileSync(order.key))),
    hash: fabric.hash.sha256,
    endorseOptions: soon(30),
    submitOptions: soon(30),
    commitStatusOptions: soon(60),
});
const contract = gateway.getNetwork(order.channel).getContract(order.chaincode);
const value = 'x'.repeat(order.value_bytes);

function submit(key) {
    const given = order.arguments.map((text) => text.replaceAll('{key}', key).replaceAll('{value}', value));
    return contract.submitTransaction(order.function, ...given); // resolves once it is valid
}

async function run(turn) {
    const done = { latencies_s: [], failures: 0, begun_s: seconds(), ended_s: 0, cpu_s: 0, first_failure: '' };
    const cpu = process.cpuUsage();
    const end = done.begun_s + turn.seconds;
    const loop = async (number) => {
        for (let transaction = 0; seconds() < end; transaction++) {
            const begun = seconds();
            try {
                await submit(`${turn.name}-${number}-${transaction}`);
                done.latencies_s.push(seconds() - begun);
            } catch (error) {
                done.failures += 1;
                done.first_failure ||= String(error).slice(0, 500);
            }
        }
    };
    await Promise.all([...Array(order.in_flight).keys()].map(loop));
    const spent = process.cpuUsage(cpu);
    done.ended_s = seconds();
    done.cpu_s = (spent.user + spent.system) / 1e6;
    return done;
}

for (let line = await lines.next(); !line.done; line = await lines.next()) {
    process.stdout.write(`${JSON.stringify(await run(JSON.parse(line.value)))}\n`);
}
gateway.close();
client.close();
