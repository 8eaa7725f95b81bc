// A producer and a receiver in Node.js 18, with nothing to install.
import { createServer } from "node:http";
import { env } from "node:process";
import { verify } from "../receivers/verify.mjs";

const seen = new Set(); // In a real service: a table with a unique key, kept for a day.
const received = [];

async function pay(number) {
  const answer = await fetch(`${env.HOOKGATE_URL}/v1/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${env.HOOKGATE_API_KEY}`, "content-type": "application/json" },
    // The same id each time: sending again after a lost answer makes no second event.
    body: JSON.stringify({ type: "invoice.paid", id: `invoice-${number}-paid`, data: { id: number } }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function hooks(request, body) {
  try {
    verify(env.WEBHOOK_SECRET, request.headers, body);
  } catch {
    return [401, {}];
  }
  const id = request.headers["webhook-id"];
  if (!seen.has(id)) {
    seen.add(id);
    setImmediate(() => received.push(JSON.parse(body).data)); // After the answer.
  }
  return [200, {}];
}

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const paid = request.url.match(/^\/invoices\/(\d+)\/pay$/);
  let [status, answer] = [404, {}];
  if (paid) [status, answer] = [200, await pay(Number(paid[1]))];
  else if (request.url === "/hooks") [status, answer] = hooks(request, Buffer.concat(chunks));
  else if (request.url === "/received") [status, answer] = [200, received];
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
}).listen(Number(env.PORT), "127.0.0.1");
