// What a customer does, as a request to the order service and as the command that does the same in a terminal. Pure.
//
//   action  { method, path, body, command }

/** The course's customers and what they order. */
export const CUSTOMERS = {
  kim: { customerId: 2000, productId: "100", productName: "RADIO", qty: 3, address: "PUSAN" },
  park: { customerId: 1000, productId: "100", productName: "TV", qty: 3, address: "SEOUL" },
};

/** Places an order. */
export function place(fields, host) {
  return action("POST", "/orders", fields, host);
}

/** Gives an order another address. */
export function modify(order, address, host) {
  return action("PATCH", `/orders/${order}`, { address }, host);
}

/** Cancels an order. */
export function cancel(order, host) {
  return action("DELETE", `/orders/${order}`, null, host);
}

/** Where an order goes that moves: the course's customers live in two towns. */
export function otherAddress(address) {
  return address === "SEOUL" ? "PUSAN" : "SEOUL";
}

function action(method, path, body, host) {
  const fields = Object.entries(body ?? {}).map(([name, value]) => ` ${name}=${quoted(String(value))}`);
  const verb = method === "POST" ? "" : `${method} `;
  return { method, path, body, command: `http ${verb}${target(host)}${path}${fields.join("")}` };
}

/** `:8088` for this machine, as httpie takes it; else the host. */
function target(host) {
  const local = /^(?:localhost|127\.0\.0\.1)(:\d+)?$/.exec(host ?? "");
  return local ? (local[1] ?? ":80") : host;
}

/** A word of a shell's command line. */
function quoted(text) {
  return /^[\w.,/+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The number of the order that an answer to its placing names, or null. */
export function placedOrder(location) {
  const found = /\/orders\/(\d+)$/.exec(location ?? "");
  return found ? Number(found[1]) : null;
}

/** Sends the request. The outcome has `ok`, `status`, the `message` of a refusal, and the `order` that was placed. */
export async function send({ method, path, body }, fetching = fetch) {
  const headers = { accept: "application/json" };
  if (body) headers["content-type"] = "application/json";
  try {
    const answer = await fetching(path, { method, headers, body: body ? JSON.stringify(body) : undefined });
    const message = answer.ok ? "" : await messageOf(answer);
    return { ok: answer.ok, status: answer.status, message, order: placedOrder(answer.headers.get("location")) };
  } catch {
    return { ok: false, status: 0, message: "", order: null };
  }
}

async function messageOf(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text).message ?? answer.statusText;
  } catch {
    return answer.statusText;
  }
}

/**
 * An order as its last event left it: the order's fields and whether it is `cancelled`; null if it never was or can't be asked.
 * Its events outlive it, so that an order that is gone is no error.
 */
export async function fetchOrder(order, fetching = fetch) {
  try {
    const answer = await fetching(`/orders/${order}/events`, { headers: { accept: "application/json" } });
    const last = answer.ok ? (await answer.json()).at(-1) : null;
    return last ? { ...last.payload, cancelled: last.type === "OrderCancelled" } : null;
  } catch {
    return null;
  }
}
