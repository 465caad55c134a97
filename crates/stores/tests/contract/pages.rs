//! Pages of orders and deliveries.

use shop::domain::{OrderEventType, OrderFields, Source};
use shop::store::{PageRequest, Store};

use crate::fixture::*;

/// The numbers of the orders on a page, in the page's order.
async fn ids(store: &dyn Store, request: PageRequest) -> Vec<i64> {
    let page = store.orders(&request).await.unwrap();
    page.items.iter().map(|order| order.id.0).collect()
}

pub async fn pages_cut_the_table_and_count_it(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let empty = store.orders(&page(0, 20, &[])).await.unwrap();
    assert_eq!((empty.items.len(), empty.total), (0, 0));
    store.run_orders(&vec![place("PUSAN"); 7], NOW).await.unwrap();
    assert_eq!(ids(&*store, page(0, 3, &[])).await, [1, 2, 3]);
    assert_eq!(ids(&*store, page(2, 3, &[])).await, [7]);
    assert_eq!(ids(&*store, page(1, 3, &["-id"])).await, [4, 3, 2]);
    for beyond in [3, 1000, u64::MAX] {
        let beyond = store.orders(&page(beyond, 3, &[])).await.unwrap();
        assert_eq!((beyond.items.len(), beyond.total), (0, 7));
    }
}

/// Three orders. Each of their properties sorts them as second, third, first, and so differently from their numbers.
pub async fn every_property_sorts(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    for (text, number) in [("c", 3), ("a", 1), ("b", 2)] {
        let fields = OrderFields {
            product_id: Some(text.into()),
            product_name: Some(text.into()),
            qty: Some(number),
            customer_id: Some(number.into()),
            address: Some(text.into()),
        };
        placed(&*store, fields).await;
    }
    for property in ["productId", "productName", "qty", "customerId", "address"] {
        assert_eq!(ids(&*store, page(0, 20, &[property])).await, [2, 3, 1], "{property}");
    }
    for property in ["-productId", "-productName", "-qty", "-customerId", "-address"] {
        assert_eq!(ids(&*store, page(0, 20, &[property])).await, [1, 3, 2], "{property}");
    }
}

pub async fn nulls_sort_first_and_ties_by_number(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    for name in [Some("TV"), None, Some("TV"), None, Some("RADIO")] {
        let fields = OrderFields {
            product_name: name.map(str::to_owned),
            ..fields("PUSAN")
        };
        placed(&*store, fields).await;
    }
    assert_eq!(ids(&*store, page(0, 20, &["productName"])).await, [2, 4, 5, 1, 3]);
    assert_eq!(ids(&*store, page(0, 20, &["-productName"])).await, [1, 3, 5, 2, 4]);
    assert_eq!(ids(&*store, page(1, 2, &["productName"])).await, [5, 1]);
}

pub async fn texts_sort_without_regard_to_case_and_accents(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    for name in [
        "tv",
        "RADIO",
        "\u{c138}\u{d0c1}\u{ae30}",
        "radio",
        "Zebra",
        "\u{e9}tag\u{e8}re",
        "Radio ",
        "\u{b0c9}\u{c7a5}\u{ace0}",
        "apple",
    ] {
        let fields = OrderFields {
            product_name: Some(name.into()),
            ..fields("PUSAN")
        };
        placed(&*store, fields).await;
    }
    let sorted = [9, 6, 2, 4, 7, 1, 5, 8, 3];
    assert_eq!(ids(&*store, page(0, 20, &["productName"])).await, sorted);
    assert_eq!(
        ids(&*store, page(0, 20, &["-productName"])).await,
        [3, 8, 5, 1, 2, 4, 7, 6, 9],
        "what is equal stands by number"
    );
}

pub async fn several_properties_sort_most_important_first(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    for (address, qty) in [("B", 1), ("A", 1), ("B", 2), ("A", 2)] {
        let fields = OrderFields {
            qty: Some(qty),
            ..fields(address)
        };
        placed(&*store, fields).await;
    }
    assert_eq!(ids(&*store, page(0, 20, &["address", "-qty"])).await, [4, 2, 3, 1]);
    assert_eq!(ids(&*store, page(0, 20, &["qty", "-id"])).await, [2, 1, 4, 3]);
}

pub async fn deliveries_have_pages_too(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    for (order, address) in [(30, "C"), (10, "A"), (20, "B")] {
        applied(&*store, full_event(order, 1, OrderEventType::Placed, address)).await;
    }
    applied(&*store, full_event(20, 2, OrderEventType::Cancelled, "B")).await;
    let sorted = async |property| {
        let page = store.deliveries(&page(0, 2, &[property])).await.unwrap();
        assert_eq!(page.total, 3);
        page.items.iter().map(|delivery| delivery.id.0).collect::<Vec<_>>()
    };
    assert_eq!(sorted("id").await, [1, 2]);
    assert_eq!(sorted("orderId").await, [2, 3]);
    assert_eq!(sorted("-address").await, [1, 3]);
    assert_eq!(sorted("status").await, [3, 1]);
}
