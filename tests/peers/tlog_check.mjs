// Checks a dose's proof with jose and @sigstore/verify: node tlog_check.mjs MODULES UNIT.pem UNIT.vkey RECORD PROOF.
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, pemFile, vkeyFile, recordFile, proofFile] = process.argv.slice(2);
const require = createRequire(join(modules, "node_modules", "here.js"));
const jose = await import(pathToFileURL(require.resolve("jose")));
const { verifyMerkleInclusion } = require(join(modules, "node_modules/@sigstore/verify/dist/tlog/merkle.js"));
const { verifyCheckpoint } = require(join(modules, "node_modules/@sigstore/verify/dist/tlog/checkpoint.js"));

const record = readFileSync(recordFile, "utf8");
const pem = readFileSync(pemFile, "utf8");
const [name, keyId] = readFileSync(vkeyFile, "utf8").split("+");

// The algorithm and the key are ours to choose, never the record's.
const { payload, protectedHeader } = await jose.compactVerify(record, await jose.importSPKI(pem, "Ed25519"), {
  algorithms: ["Ed25519"],
});
if (protectedHeader.kid !== keyId) throw new Error(`kid ${protectedHeader.kid}`);

const [front, ...rest] = readFileSync(proofFile, "utf8").split("\n\n");
const [, index, ...hashes] = front.split("\n");
const entry = {
  canonicalizedBody: Buffer.from(record),
  inclusionProof: {
    logIndex: index.replace("index ", ""),
    hashes: hashes.map((hash) => Buffer.from(hash, "base64")),
    checkpoint: { envelope: rest.join("\n\n") },
  },
};
const log = { logID: Buffer.from(keyId, "hex"), baseURL: name, publicKey: createPublicKey(pem) };
const checkpoint = verifyCheckpoint(entry, [log]);
if (checkpoint.origin !== name) throw new Error(`origin ${checkpoint.origin}`);
verifyMerkleInclusion(entry, checkpoint);
console.log("ok", JSON.parse(new TextDecoder().decode(payload)).seq, checkpoint.logSize.toString());
