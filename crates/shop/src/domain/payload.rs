//! The values of published records: compact JSON, with the fields in the sequence that consumers know, nulls included.

use keylane_log::Timestamp;
use serde::Serialize;

use super::{Delivery, DeliveryEventType, EventType, OrderEventType, OrderFields, OrderId};

/// The value of an order event: the order after it; for a cancellation, the order in its last state.
pub fn order_payload(event: OrderEventType, timestamp: Timestamp, id: OrderId, fields: &OrderFields) -> String {
    to_json(&OrderPayload {
        event_type: EventType::Order(event).name(),
        timestamp: timestamp.0,
        id: id.0,
        product_id: fields.product_id.as_deref(),
        product_name: fields.product_name.as_deref(),
        qty: fields.qty,
        customer_id: fields.customer_id,
        address: fields.address.as_deref(),
    })
}

/// The value of a delivery event: the delivery after it.
pub fn delivery_payload(event: DeliveryEventType, timestamp: Timestamp, delivery: &Delivery) -> String {
    let fields = &delivery.fields;
    to_json(&DeliveryPayload {
        event_type: EventType::Delivery(event).name(),
        timestamp: timestamp.0,
        id: delivery.id.0,
        order_id: delivery.order_id.map(|order| order.0),
        customer_id: fields.customer_id,
        product_id: fields.product_id.as_deref(),
        product_name: fields.product_name.as_deref(),
        qty: fields.qty,
        address: fields.address.as_deref(),
        status: delivery.status.as_deref(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderPayload<'a> {
    event_type: &'a str,
    timestamp: i64,
    id: i64,
    product_id: Option<&'a str>,
    product_name: Option<&'a str>,
    qty: Option<i32>,
    customer_id: Option<i64>,
    address: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryPayload<'a> {
    event_type: &'a str,
    timestamp: i64,
    id: i64,
    order_id: Option<i64>,
    customer_id: Option<i64>,
    product_id: Option<&'a str>,
    product_name: Option<&'a str>,
    qty: Option<i32>,
    address: Option<&'a str>,
    status: Option<&'a str>,
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a flat struct of numbers and strings is always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DeliveryId, Version};

    fn fields() -> OrderFields {
        OrderFields {
            product_id: Some("100".into()),
            product_name: Some("RADIO".into()),
            qty: Some(3),
            customer_id: Some(2000),
            address: Some("PUSAN".into()),
        }
    }

    #[test]
    fn order_events_read_as_the_course_knows_them() {
        assert_eq!(
            order_payload(
                OrderEventType::Placed,
                Timestamp(1_749_697_512_193),
                OrderId(6),
                &fields()
            ),
            r#"{"eventType":"OrderPlaced","timestamp":1749697512193,"id":6,"productId":"100","productName":"RADIO","qty":3,"customerId":2000,"address":"PUSAN"}"#
        );
    }

    #[test]
    fn nulls_are_written_and_text_is_not_escaped_beyond_need() {
        let fields = OrderFields {
            address: Some("서울 🏠".into()),
            ..OrderFields::default()
        };
        assert_eq!(
            order_payload(OrderEventType::Cancelled, Timestamp(5), OrderId(1), &fields),
            r#"{"eventType":"OrderCancelled","timestamp":5,"id":1,"productId":null,"productName":null,"qty":null,"customerId":null,"address":"서울 🏠"}"#
        );
    }

    #[test]
    fn delivery_events_read_as_the_course_knows_them() {
        let delivery = Delivery {
            id: DeliveryId(8),
            order_id: Some(OrderId(6)),
            fields: fields(),
            status: Some("DELIVERY STARTED".into()),
            version: Version(1),
            events: Version(1),
        };
        assert_eq!(
            delivery_payload(DeliveryEventType::Started, Timestamp(1_749_697_512_282), &delivery),
            r#"{"eventType":"DeliveryStarted","timestamp":1749697512282,"id":8,"orderId":6,"customerId":2000,"productId":"100","productName":"RADIO","qty":3,"address":"PUSAN","status":"DELIVERY STARTED"}"#
        );
    }
}
