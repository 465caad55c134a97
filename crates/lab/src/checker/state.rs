//! Compares the final rows of the delivery service with what the written events lead to.

use shop::domain::decide::ApplyKind;
use shop::domain::{Delivery, OrderEventType, OrderFields, OrderPatch, Version};
use shop::text;
use shop::text::Text;

use super::evidence::{row, took_effect, was_written};
use super::index::OrderHistory;
use super::settled::is_settled;
use super::verdict::{Anomaly, Verdict};

/// The row that an order's events lead to. A part that an older system left behind is not known, and none here.
struct Expected {
    fields: Option<OrderFields>,
    status: Option<&'static str>,
    version: Option<Version>,
}

/// Compares, once everything that was written has come to its end. An event that a person had passed over was written all the
/// same, so a row that lacks it differs from the order.
pub(super) fn divergence(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    if !is_settled(order) {
        return;
    }
    let differences = differences(order, fold(order, |_| true).as_ref());
    if differences.is_empty() {
        return;
    }
    let says = Text::joined(&differences, "; ") + blamed_on_discards(order);
    let last = order.written.values().next_back().map(|written| was_written(written));
    let rows = order.deliveries.iter().map(|delivery| row(delivery));
    let discards = order
        .applied
        .iter()
        .filter(|applied| applied.kind == ApplyKind::Discarded);
    let discards = discards.map(|applied| took_effect(applied));
    let facts = last.into_iter().chain(discards).chain(rows).collect();
    verdicts.push(Anomaly::Divergence.of(order.id, says, facts));
}

fn differences(order: &OrderHistory<'_>, expected: Option<&Expected>) -> Vec<Text> {
    let many = order.deliveries.len();
    match (expected, &order.deliveries[..]) {
        (None, []) => Vec::new(),
        (None, _) => vec![text!(
            "{many} delivery rows, but no event that leads to one",
            "배송 행이 {many}개인데 그렇게 만들 이벤트가 없음"
        )],
        (Some(expected), []) if expected.status.is_none() => Vec::new(),
        (Some(_), []) => vec![text!("no delivery row", "배송 행이 없음")],
        (Some(expected), [row]) => expected.differences(row),
        // An older system left several rows for one order, and events apply to the first.
        (Some(expected), [row, ..]) if order.is_inherited() => expected.differences(row),
        (Some(_), _) => vec![text!(
            "{many} delivery rows instead of one",
            "배송 행이 하나가 아니라 {many}개임"
        )],
    }
}

/// Says whether the events that a person discarded explain the difference. Empty if there are none.
fn blamed_on_discards(order: &OrderHistory<'_>) -> Text {
    let written = order
        .discarded
        .iter()
        .filter(|version| order.written.contains_key(version));
    let versions: Vec<String> = written.map(|version| format!("v{version}")).collect();
    if versions.is_empty() {
        return Text::default();
    }
    let versions = versions.join(", ");
    let without = fold(order, |version| !order.discarded.contains(&version));
    match differences(order, without.as_ref()).is_empty() {
        true => text!(
            " ({versions} was discarded by a person; the row therefore keeps what stood there without it)",
            " (사람이 {versions} 이벤트를 버려서 행에 그 전의 값이 남아 있음)"
        ),
        false => text!(
            " ({versions} was discarded by a person, which alone doesn't explain it)",
            " (사람이 {versions} 이벤트를 버렸지만 그것만으로는 설명되지 않음)"
        ),
    }
}

/// The row that the written events lead to, one after the other, of those versions that count.
fn fold(order: &OrderHistory<'_>, counts: impl Fn(Version) -> bool) -> Option<Expected> {
    let mut delivery: Option<Expected> = None;
    for written in order.written.values() {
        if !counts(written.version) {
            continue;
        }
        let before = delivery.take().and_then(|delivery| delivery.fields);
        let inherited = written.inherited;
        delivery = Some(Expected {
            fields: match written.event_type {
                OrderEventType::Placed if inherited => None,
                OrderEventType::Placed => Some(merged(OrderFields::default(), &written.fields)),
                OrderEventType::Modified => Some(merged(before.unwrap_or_default(), &written.fields)),
                OrderEventType::Cancelled => before,
            },
            status: (!inherited).then(|| written.event_type.delivery_status()),
            // The row holds the version of the last event that took effect.
            version: (!order.discarded.contains(&written.version)).then_some(written.version),
        });
    }
    delivery
}

fn merged(before: OrderFields, event: &OrderPatch) -> OrderFields {
    OrderFields {
        product_id: event.product_id.clone().unwrap_or(before.product_id),
        product_name: event.product_name.clone().unwrap_or(before.product_name),
        qty: event.qty.unwrap_or(before.qty),
        customer_id: event.customer_id.unwrap_or(before.customer_id),
        address: event.address.clone().unwrap_or(before.address),
    }
}

impl Expected {
    fn differences(&self, row: &Delivery) -> Vec<Text> {
        let mut differences = Vec::new();
        let mut compare = |name: &str, is: String, should: String| {
            if is != should {
                differences.push(text!(
                    "{name} is {is} and should be {should}",
                    "{name}: 기대값 {should}, 실제값 {is}"
                ));
            }
        };
        if let Some(status) = self.status {
            compare("status", shown(row.status.as_ref()), shown(Some(&status.to_owned())));
        }
        if let Some(fields) = &self.fields {
            compare(
                "address",
                shown(row.fields.address.as_ref()),
                shown(fields.address.as_ref()),
            );
            compare("qty", shown(row.fields.qty.as_ref()), shown(fields.qty.as_ref()));
            compare(
                "customerId",
                shown(row.fields.customer_id.as_ref()),
                shown(fields.customer_id.as_ref()),
            );
            compare(
                "productId",
                shown(row.fields.product_id.as_ref()),
                shown(fields.product_id.as_ref()),
            );
            compare(
                "productName",
                shown(row.fields.product_name.as_ref()),
                shown(fields.product_name.as_ref()),
            );
        }
        if let Some(version) = self.version {
            compare("version", row.version.to_string(), version.to_string());
        }
        differences
    }
}

fn shown<T: std::fmt::Debug>(value: Option<&T>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| format!("{value:?}"))
}
