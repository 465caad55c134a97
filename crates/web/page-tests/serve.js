// A stand-in for the gateway: the page's own files, and a stream that tells what a test wants told.

import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const FILES = new URL("../src/page/", import.meta.url);
const KINDS = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Starts it on a free port. `tell` sends a frame to whoever listens; those who come later get `first` and what was told. */
export async function standIn(first) {
  const listeners = new Set();
  const told = [];
  const requests = [];
  const orders = new Map();
  /** `wishes` are the commands that were taken; where a page says that they need a token, `token` is the right one. */
  const here = { wishes: [], token: null };
  const server = createServer((request, response) => answer(request, response));

  function answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, "http://here");
    requests.push(`${request.method} ${request.url}`);
    if (pathname === "/live/commands") return command(request, response, here);
    if (pathname.startsWith("/live/scenarios")) return scenario(response, pathname, searchParams);
    if (pathname === "/live") return listen(request, response, searchParams);
    if (pathname.startsWith("/orders")) return order(request, response, pathname, orders);
    const name = pathname === "/" ? "index.html" : pathname.replace(/^\/page\//, "");
    if (!/^[\w-]+\.\w+$/.test(name)) return response.writeHead(404).end();
    const kind = KINDS[name.split(".").pop()];
    response.setHeader("content-type", `${kind}; charset=utf-8`);
    response.setHeader("content-security-policy", POLICY);
    createReadStream(fileURLToPath(new URL(name, FILES)))
      .on("error", () => response.writeHead(404).end())
      .pipe(response);
  }

  function listen(request, response, query) {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(": here\nretry: 1000\n\n");
    const after = request.headers["last-event-id"] ?? query.get("after");
    const known = after ? Number(after.split("-")[1]) : -1;
    [first, ...told].forEach((frame, at) => {
      if (at > known) write(response, frame, at);
    });
    listeners.add(response);
    response.on("close", () => listeners.delete(response));
  }

  function write(response, { event, data }, at) {
    response.write(`id: 7-${at}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  Object.assign(here, {
    url: `http://127.0.0.1:${server.address().port}/`,
    requests,
    orders,
    tell(...frames) {
      for (const frame of frames) {
        told.push(frame);
        for (const response of listeners) write(response, frame, told.length);
      }
    },
    /** Ends every stream; the listeners come back by themselves. */
    hangUp() {
      for (const response of listeners) response.destroy();
    },
    async close() {
      for (const response of listeners) response.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  });
  return here;
}

function command(request, response, { wishes, token }) {
  let text = "";
  request.on("data", (piece) => {
    text += piece;
  });
  request.on("end", () => {
    const sent = request.headers.authorization;
    if (sent !== undefined && sent !== `Bearer ${token}`) return response.writeHead(401).end('{"message":"no"}');
    wishes.push(JSON.parse(text));
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ done: true, shell: `mall as asked: ${text}` }));
  });
}

/** Orders as the order service would have them, without what comes of them: of each its events, oldest first. */
function order(request, response, pathname, orders) {
  let text = "";
  request.on("data", (piece) => {
    text += piece;
  });
  request.on("end", () => {
    const [, , id, part] = pathname.split("/");
    const events = orders.get(Number(id));
    const say = (status, value, headers = {}) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(value === undefined ? undefined : JSON.stringify(value));
    };
    const body = text ? JSON.parse(text) : {};
    if (request.method === "POST") {
      orders.set(orders.size + 1, [{ type: "OrderPlaced", payload: body }]);
      return say(201, body, { location: `/orders/${orders.size}` });
    }
    if (!events) return say(404);
    if (part === "events") return say(200, events);
    change(request.method, events, body, say);
  });
}

/** The scenarios whose histories lie in `recorded/`. */
function scenario(response, pathname, query) {
  const [, , , name] = pathname.split("/");
  const kind = { "content-type": name ? "application/x-ndjson" : "application/json" };
  if (!name)
    return response.writeHead(200, kind).end(readFileSync(new URL("recorded/scenarios.json", import.meta.url)));
  const file = fileURLToPath(new URL(`recorded/${name}-${query.get("run")}.jsonl`, import.meta.url));
  if (existsSync(file)) return response.writeHead(200, kind).end(readFileSync(file));
  response.writeHead(503, { "content-type": "application/problem+json" });
  response.end(
    JSON.stringify({ message: "2 scenarios run at this moment, which is the most; ask again in a second." }),
  );
}

function change(method, events, body, say) {
  if (method === "PATCH" && !body.address) return say(400, { message: "address: give one" });
  const type = method === "DELETE" ? "OrderCancelled" : "OrderModified";
  events.push({ type, payload: { ...events.at(-1).payload, ...body } });
  if (method === "DELETE") return say(204);
  say(200, body);
}
