// What a customer does, and the command that does the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CUSTOMERS, cancel, fetchOrder, modify, otherAddress, place, placedOrder, send } from "../src/page/actions.js";

const answer =
  (status, body, headers = {}) =>
  async () =>
    new Response(body, { status, headers });

test("the commands are the course's", () => {
  assert.equal(
    place(CUSTOMERS.kim, "localhost:8088").command,
    "http :8088/orders customerId=2000 productId=100 productName=RADIO qty=3 address=PUSAN",
  );
  assert.equal(
    place(CUSTOMERS.park, "127.0.0.1:8088").command,
    "http :8088/orders customerId=1000 productId=100 productName=TV qty=3 address=SEOUL",
  );
  assert.equal(modify(3, "SEOUL", "localhost:8088").command, "http PATCH :8088/orders/3 address=SEOUL");
  assert.equal(cancel(3, "shop.example").command, "http DELETE shop.example/orders/3");
});

test("what a person typed is one word of the command, whatever it is", () => {
  const { command, body } = modify(3, "O'Hara's; rm -rf $(x) `y`", "localhost:80");
  assert.equal(command, "http PATCH :80/orders/3 address='O'\\''Hara'\\''s; rm -rf $(x) `y`'");
  assert.equal(body.address, "O'Hara's; rm -rf $(x) `y`");
});

test("an order that moves goes to the other town", () => {
  assert.equal(otherAddress("PUSAN"), "SEOUL");
  assert.equal(otherAddress("SEOUL"), "PUSAN");
});

test("an answer tells the order, a refusal its message, and silence nothing", async () => {
  const placed = await send(place(CUSTOMERS.kim, "h"), answer(201, "{}", { location: "http://h/orders/17" }));
  assert.deepEqual(placed, { ok: true, status: 201, message: "", order: 17 });
  const refused = await send(modify(1, "", "h"), answer(400, '{"message":"address: give one"}'));
  assert.deepEqual([refused.ok, refused.status, refused.message], [false, 400, "address: give one"]);
  const broken = await send(cancel(1, "h"), answer(502, "<html>"));
  assert.equal(broken.ok, false);
  const away = await send(cancel(1, "h"), async () => Promise.reject(new TypeError("away")));
  assert.deepEqual(away, { ok: false, status: 0, message: "", order: null });
  assert.equal(await fetchOrder(1, answer(404, null)), null);
  const events = [
    { type: "OrderPlaced", payload: { address: "PUSAN" } },
    { type: "OrderCancelled", payload: { address: "SEOUL" } },
  ];
  assert.deepEqual(await fetchOrder(1, answer(200, JSON.stringify(events))), { address: "SEOUL", cancelled: true });
  assert.equal(placedOrder("http://evil.example/x"), null);
});
