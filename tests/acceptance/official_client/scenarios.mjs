// What the official Fabric client sees: one scenario a process, its observations as JSON on standard output.
//
//   node scenarios.mjs <scenario> <settings.json>
//
// Settings: endpoint, tlsRoot, mspId, certificate, key, channel, chaincode, folder; clientCertificate and clientKey
// for mutual TLS.

import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import * as grpc from '@grpc/grpc-js';
import fabric from '@hyperledger/fabric-gateway';
import protos from '@hyperledger/fabric-protos';

const {
    checkpointers, CommitError, CommitStatusError, connect, EndorseError, GatewayError, hash, signers,
} = fabric;
const settings = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'));
const read = (name) => fs.readFileSync(settings[name]);
const text = (bytes) => Buffer.from(bytes).toString('utf8');
const signer = signers.newPrivateKeySigner(crypto.createPrivateKey(read('key')));
const soon = (seconds) => () => ({ deadline: Date.now() + seconds * 1000 });

function newClient() {
    const mutual = settings.clientKey ? [read('clientKey'), read('clientCertificate')] : [];
    return new grpc.Client(settings.endpoint, grpc.credentials.createSsl(read('tlsRoot'), ...mutual));
}

function newGateway(client, options = {}) {
    return connect({
        client,
        identity: { mspId: settings.mspId, credentials: read('certificate') },
        signer,
        hash: hash.sha256,
        evaluateOptions: soon(20),
        endorseOptions: soon(20),
        submitOptions: soon(20),
        commitStatusOptions: soon(30),
        ...(settings.clientCertificate ? { tlsClientCertificateHash: certificateHash() } : {}),
        ...options,
    });
}

function certificateHash() {
    return crypto.createHash('sha256').update(new crypto.X509Certificate(read('clientCertificate')).raw).digest();
}

function named(error) {
    const classes = { EndorseError, CommitStatusError, CommitError, GatewayError };
    const found = Object.entries(classes).find(([, type]) => error instanceof type);
    return {
        type: found ? found[0] : error.constructor.name,
        code: error instanceof CommitError ? error.code : (grpc.status[error.code] ?? error.code ?? null),
        message: error.message,
        transactionId: error.transactionId ?? null,
        details: (error.details ?? []).map(({ address, mspId, message }) => ({ address, mspId, message })),
    };
}

async function failure(attempt) {
    try {
        await attempt();
    } catch (error) {
        return named(error);
    }
    return null;
}

const cell = (place, words = 'text') => JSON.stringify({ shelf: 'shelf', place, text: words });
const where = (place) => JSON.stringify({ shelf: 'shelf', place });

async function unknownCommit(gateway) {
    // Nobody has submitted it: its status is waited for. (A deadline in the past is left to chance by grpc-js.)
    const identity = new protos.msp.SerializedIdentity();
    identity.setMspid(settings.mspId);
    identity.setIdBytes(read('certificate'));
    const request = new protos.gateway.CommitStatusRequest();
    request.setChannelId(settings.channel);
    request.setTransactionId('00'.repeat(32));
    request.setIdentity(identity.serializeBinary());
    const signed = new protos.gateway.SignedCommitStatusRequest();
    signed.setRequest(request.serializeBinary());
    return gateway.newSignedCommit(signed.serializeBinary(), await signer(hash.sha256(request.serializeBinary())));
}

async function collect(events, count) {
    const found = [];
    try {
        for await (const event of events) {
            found.push(event);
            if (found.length === count) break;
        }
    } finally {
        events.close();
    }
    return found;
}

const seen = (event) => ({
    block: Number(event.blockNumber),
    transactionId: event.transactionId,
    name: event.eventName,
    chaincode: event.chaincodeName,
    payload: JSON.parse(text(event.payload)),
});

const scenarios = {
    async submit({ contract }) {
        const created = await contract.submitTransaction('create', cell('one', 'first'));
        const found = await contract.evaluateTransaction('read', where('one'));
        return { created: JSON.parse(text(created)), found: JSON.parse(text(found)) };
    },

    async submitAsync({ contract }) {
        const commit = await contract.submitAsync('create', { arguments: [cell('async')] });
        const status = await commit.getStatus();
        return {
            result: JSON.parse(text(commit.getResult())),
            transactionId: commit.getTransactionId(),
            status: { ...status, blockNumber: Number(status.blockNumber) },
        };
    },

    async transient({ contract }) {
        const called = await contract.evaluate('call', { transientData: { secret: 'whisper' } });
        return JSON.parse(text(called));
    },

    async concurrent({ contract }) {
        const places = [...Array(60).keys()].map((number) => `c${String(number).padStart(3, '0')}`);
        const results = await Promise.allSettled(places.map((place) => contract.submitTransaction('create', cell(place))));
        const failed = results.filter((result) => result.status === 'rejected').map((result) => named(result.reason));
        return { succeeded: results.length - failed.length, failed };
    },

    async offline({ client, contract }) {
        const noSigner = connect({
            client, identity: { mspId: settings.mspId, credentials: read('certificate') }, hash: hash.sha256,
        });
        const unsigned = noSigner.getNetwork(settings.channel).getContract(settings.chaincode, 'cells')
            .newProposal('create', { arguments: [cell('offline')] });
        const proposal = noSigner.newSignedProposal(unsigned.getBytes(), await signer(unsigned.getDigest()));
        const endorsed = await proposal.endorse();
        const transaction = noSigner.newSignedTransaction(endorsed.getBytes(), await signer(endorsed.getDigest()));
        const submitted = await transaction.submit();
        const commit = noSigner.newSignedCommit(submitted.getBytes(), await signer(submitted.getDigest()));
        const status = await commit.getStatus();
        const asked = noSigner.getNetwork(settings.channel).newChaincodeEventsRequest(settings.chaincode, { startBlock: 0n });
        const request = noSigner.newSignedChaincodeEventsRequest(asked.getBytes(), await signer(asked.getDigest()));
        const events = await collect(await request.getEvents(), 1);
        const blocks = noSigner.getNetwork(settings.channel).newBlockEventsRequest({ startBlock: 0n });
        const signedBlocks = noSigner.newSignedBlockEventsRequest(blocks.getBytes(), await signer(blocks.getDigest()));
        const first = await collect(await signedBlocks.getEvents(), 1);
        const refused = await failure(() => noSigner.newProposal(unsigned.getBytes()).endorse());
        const found = await contract.evaluateTransaction('read', where('offline'));
        return {
            same: unsigned.getTransactionId() === commit.getTransactionId(),
            successful: status.successful, events: events.map(seen),
            firstBlock: Number(first[0].getHeader().getNumber()), refused, found: JSON.parse(text(found)),
        };
    },

    async errors({ client, gateway, contract }) {
        const network = gateway.getNetwork(settings.channel);
        await contract.submitTransaction('create', cell('taken'));
        const stranger = connect({
            client,
            identity: { mspId: 'NobodyMSP', credentials: read('certificate') },
            signer, hash: hash.sha256,
        });
        const forger = connect({
            client,
            identity: { mspId: settings.mspId, credentials: read('certificate') },
            signer: signers.newPrivateKeySigner(crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
            hash: hash.sha256,
        });
        const proposal = contract.newProposal('create', { arguments: [cell('twice')] });
        const transaction = await proposal.endorse();
        await (await transaction.submit()).getStatus();
        const nowhere = network.getContract('nochaincode', 'cells');
        return {
            refusedByContract: await failure(() => contract.submitTransaction('create', cell('taken'))),
            refusedEvaluation: await failure(() => contract.evaluateTransaction('read', where('nothing'))),
            unknownTransaction: await failure(() => contract.evaluateTransaction('nothing')),
            unknownChaincode: await failure(() => nowhere.submitTransaction('create', cell('x'))),
            unknownChannel: await failure(() => gateway.getNetwork('nochannel').getContract(settings.chaincode).evaluateTransaction('x')),
            unknownMsp: await failure(() => stranger.getNetwork(settings.channel).getContract(settings.chaincode, 'cells').submitTransaction('create', cell('y'))),
            forged: await failure(() => forger.getNetwork(settings.channel).getContract(settings.chaincode, 'cells').submitTransaction('create', cell('z'))),
            missingEndorsers: await failure(() => contract.submit('create', { arguments: [cell('w')], endorsingOrganizations: ['Org9MSP'] })),
            submittedAgain: await failure(async () => { await (await transaction.submit()).getStatus(); }),
            deadline: await failure(async () => (await unknownCommit(gateway)).getStatus(soon(0.3)())),
        };
    },

    async conflict({ gateway }) {
        const tallies = gateway.getNetwork(settings.channel).getContract(settings.chaincode, 'tallies');
        const change = () => tallies.newProposal('add', { arguments: [JSON.stringify({ name: 'sum', amount: 1 })] });
        const [first, second] = await Promise.all([change().endorse(), change().endorse()]);
        const won = await (await first.submit()).getStatus();
        const commit = await second.submit();
        const lost = await commit.getStatus();
        return { won: won.successful, lost: { code: lost.code, successful: lost.successful } };
    },

    async commitError({ gateway }) {
        // Many read and write one number at once: who loses gets the client's own CommitError.
        const tallies = gateway.getNetwork(settings.channel).getContract(settings.chaincode, 'tallies');
        const add = JSON.stringify({ name: 'race', amount: 1 });
        const results = await Promise.allSettled([...Array(20).keys()].map(() => tallies.submitTransaction('add', add)));
        const failed = results.filter((result) => result.status === 'rejected').map((result) => named(result.reason));
        return { succeeded: results.length - failed.length, failed };
    },

    async chaincodeEvents({ gateway, contract }) {
        const network = gateway.getNetwork(settings.channel);
        const live = await network.getChaincodeEvents(settings.chaincode);
        const waiting = collect(live, 2);
        const first = await contract.submitAsync('create', { arguments: [cell('e1')] });
        await first.getStatus();
        await contract.submitTransaction('create', cell('e2'));
        const fresh = (await waiting).map(seen);
        const replayed = (await collect(await network.getChaincodeEvents(settings.chaincode, { startBlock: 0n }), 2)).map(seen);
        const checkpointer = checkpointers.inMemory();
        const begun = await network.getChaincodeEvents(settings.chaincode, { startBlock: 0n, checkpoint: checkpointer });
        const [one] = await collect(begun, 1);
        await checkpointer.checkpointChaincodeEvent(one);
        const resumed = (await collect(await network.getChaincodeEvents(settings.chaincode, { checkpoint: checkpointer }), 1)).map(seen);
        return { fresh, replayed, resumed };
    },

    async fileCheckpointer({ gateway, contract }) {
        const network = gateway.getNetwork(settings.channel);
        const file = path.join(settings.folder, 'checkpoint.json');
        for (const place of ['f1', 'f2', 'f3']) await contract.submitTransaction('create', cell(place));
        const before = await checkpointers.file(file);
        const [one] = await collect(await network.getChaincodeEvents(settings.chaincode, { startBlock: 0n, checkpoint: before }), 1);
        await before.checkpointChaincodeEvent(one);
        const after = await checkpointers.file(file);
        const rest = await collect(await network.getChaincodeEvents(settings.chaincode, { checkpoint: after }), 2);
        await after.checkpointBlock(0n);
        const again = await checkpointers.file(file);
        const [block] = await collect(await network.getBlockEvents({ checkpoint: again }), 1);
        return { all: [one, ...rest].map(seen), next: Number(block.getHeader().getNumber()), file: JSON.parse(fs.readFileSync(file, 'utf8')) };
    },

    async privateData({ gateway }) {
        const secrets = gateway.getNetwork(settings.channel).getContract(settings.chaincode, 'secrets');
        const place = JSON.stringify({ collection: 'closed', key: 'k' });
        await secrets.submit('put', { arguments: [place], transientData: { value: 'whisper' } });
        const found = await secrets.evaluateTransaction('read', place);
        return JSON.parse(text(found));
    },

    async privateEvents({ gateway }) {
        const network = gateway.getNetwork(settings.channel);
        const secrets = network.getContract(settings.chaincode, 'secrets');
        const startBlock = BigInt(settings.block);
        const [event] = await collect(await network.getBlockAndPrivateDataEvents({ startBlock }), 1);
        const found = [];
        event.getPrivateDataMapMap().forEach((sets, position) => {
            for (const namespace of sets.getNsPvtRwsetList()) {
                for (const one of namespace.getCollectionPvtRwsetList()) {
                    found.push({
                        position, namespace: namespace.getNamespace(), collection: one.getCollectionName(),
                        whispers: Buffer.from(one.getRwset_asU8()).includes('whisper'),
                    });
                }
            }
        });
        const place = JSON.stringify({ collection: 'closed', key: 'k' });
        return { found, read: await failure(() => secrets.evaluateTransaction('read', place)) };
    },

    async blockEvents({ gateway, contract }) {
        const network = gateway.getNetwork(settings.channel);
        await contract.submitTransaction('create', cell('b1'));
        const [genesis, block] = await collect(await network.getBlockEvents({ startBlock: 0n }), 2);
        const filtered = await collect(await network.getFilteredBlockEvents({ startBlock: 0n }), 2);
        const [, secret] = await collect(await network.getBlockAndPrivateDataEvents({ startBlock: 0n }), 2);
        const [transaction] = filtered[1].getFilteredTransactionsList();
        return {
            numbers: [genesis, block].map((one) => Number(one.getHeader().getNumber())),
            follows: Buffer.from(block.getHeader().getPreviousHash_asU8()).toString('hex'),
            transactions: block.getData().getDataList().length,
            filter: [...block.getMetadata().getMetadataList_asU8()[2]],
            filtered: {
                channel: filtered[1].getChannelId(),
                number: Number(filtered[1].getNumber()),
                code: transaction.getTxValidationCode(),
                events: transaction.getTransactionActions().getChaincodeActionsList().map((action) => ({
                    name: action.getChaincodeEvent().getEventName(),
                    payload: text(action.getChaincodeEvent().getPayload_asU8()),
                })),
            },
            withPrivateData: {
                number: Number(secret.getBlock().getHeader().getNumber()),
                collections: secret.getPrivateDataMapMap().getLength(),
            },
        };
    },
};

const client = newClient();
const gateway = newGateway(client);
try {
    const contract = gateway.getNetwork(settings.channel).getContract(settings.chaincode, 'cells');
    console.log(JSON.stringify(await scenarios[process.argv[2]]({ client, gateway, contract })));
} finally {
    gateway.close();
    client.close();
}
