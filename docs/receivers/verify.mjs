// Verifies a delivery of Hookgate (Standard Webhooks). Node.js 18, nothing to install.
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { argv } from "node:process";
import { pathToFileURL } from "node:url";

const TOLERANCE_SECONDS = 300;

/** `headers` by lower-case names, `body` a Buffer as it arrived. Throws where it is not from Hookgate. */
export function verify(secret, headers, body) {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures } = headers;
  const age = Math.abs(Date.now() / 1000 - Number(timestamp));
  if (!(age <= TOLERANCE_SECONDS)) throw new Error("the timestamp is too old or too new");
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  // Several while a secret is changed; one that fits is enough.
  const fits = signatures.split(" ").some((signature) => {
    const [version, value = ""] = signature.split(",");
    const given = Buffer.from(value, "base64");
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!fits) throw new Error("no signature fits");
}

// node verify.mjs SECRET ID TIMESTAMP SIGNATURE < body
if (import.meta.url === pathToFileURL(argv[1]).href) {
  const [secret, id, timestamp, signature] = argv.slice(2);
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
  verify(secret, headers, readFileSync(0));
}
