//! Writes HAL bodies straight into bytes, because the order of their keys is part of the contract.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::json;

use super::entity::Entity;
use super::links::{Href, Links};
use super::paging::{page_links, total_pages};
use super::request_head::RequestHead;
use shop::store::{Page, PageRequest};

/// Roughly how many bytes an item takes.
const ITEM_BYTES: usize = 320;

/// The href of an item.
pub(super) fn item_href<E: Entity>(base: &str, number: i64) -> String {
    format!("{base}{}/{number}", E::PATH)
}

/// The body of an item: its properties and its links.
pub(super) fn item<E: Entity>(entity: &E, href: &str) -> Vec<u8> {
    render(&Item { entity, href }, ITEM_BYTES)
}

/// The body of a page of items.
pub(super) fn collection<E: Entity>(head: &RequestHead, request: &PageRequest, page: &Page<E>) -> Vec<u8> {
    let links = page_links::<E>(head, request, page.total);
    let body = Collection {
        base: &head.base,
        request,
        page,
        links,
    };
    render(&body, (page.items.len() + 2) * ITEM_BYTES)
}

/// The body of a service's start page.
pub(super) fn root<E: Entity>(head: &RequestHead) -> Vec<u8> {
    let mut links = Links::default();
    links.add_template(E::rel(), format!("{}{}{{?page,size,sort}}", head.base, E::PATH));
    links.add("profile", format!("{}/profile", head.base));
    render(&OnlyLinks(links), 256)
}

/// The body of the list of profiles.
pub(super) fn profiles<E: Entity>(head: &RequestHead) -> Vec<u8> {
    let mut links = Links::default();
    links.add("self", head.href());
    links.add(E::rel(), format!("{}/profile{}", head.base, E::PATH));
    render(&OnlyLinks(links), 256)
}

/// The body of the list of searches, which has one: by an order's number.
pub(super) fn searches<E: Entity>(head: &RequestHead, search: &'static str) -> Vec<u8> {
    let mut links = Links::default();
    links.add_template(search, format!("{}{}/search/{search}{{?id}}", head.base, E::PATH));
    links.add("self", head.href());
    render(&OnlyLinks(links), 256)
}

/// The body of a resource's profile: its properties and what can be done to it (ALPS,
/// `draft-amundsen-richardson-foster-alps`).
pub(super) fn alps<E: Entity>(head: &RequestHead) -> Vec<u8> {
    let representation = format!("{}-representation", E::ITEM_REL);
    let properties: Vec<_> = E::PROPERTIES
        .iter()
        .map(|name| json!({"name": name, "type": "SEMANTIC"}))
        .collect();
    let mut descriptors = vec![json!({
        "id": representation,
        "href": format!("{}/profile{}", head.base, E::PATH),
        "descriptor": properties,
    })];
    let paging: Vec<_> = ["page", "size", "sort"]
        .iter()
        .map(|name| json!({"name": name, "type": "SEMANTIC"}))
        .collect();
    let action = |id: String, name: &str, kind: &str, descriptor: &[serde_json::Value]| json!({"id": id, "name": name, "type": kind, "descriptor": descriptor, "rt": format!("#{representation}")});
    descriptors.push(action(format!("get-{}", E::rel()), E::rel(), "SAFE", &paging));
    descriptors.push(action(format!("get-{}", E::ITEM_REL), E::ITEM_REL, "SAFE", &[]));
    if E::WRITABLE {
        descriptors.push(action(format!("create-{}", E::rel()), E::rel(), "UNSAFE", &[]));
        for (verb, kind) in [("update", "IDEMPOTENT"), ("patch", "UNSAFE"), ("delete", "IDEMPOTENT")] {
            descriptors.push(action(format!("{verb}-{}", E::ITEM_REL), E::ITEM_REL, kind, &[]));
        }
    }
    if let Some(search) = E::SEARCH {
        descriptors.push(action(
            search.into(),
            search,
            "SAFE",
            &[json!({"name": "id", "type": "SEMANTIC"})],
        ));
    }
    render(&json!({"alps": {"version": "1.0", "descriptor": descriptors}}), 1024)
}

fn render(body: &impl Serialize, capacity: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(capacity);
    serde_json::to_writer(&mut bytes, body).expect("maps with text keys are always JSON");
    bytes
}

struct OnlyLinks(Links);

impl Serialize for OnlyLinks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("_links", &self.0)])
    }
}

struct Item<'a, E> {
    entity: &'a E,
    href: &'a str,
}

impl<E: Entity> Serialize for Item<'_, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entity.write_properties(&mut map)?;
        map.serialize_entry(
            "_links",
            &ItemLinks {
                rel: E::ITEM_REL,
                href: self.href,
            },
        )?;
        map.end()
    }
}

struct ItemLinks<'a> {
    rel: &'static str,
    href: &'a str,
}

impl Serialize for ItemLinks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let href = || Href {
            href: self.href,
            templated: false,
        };
        serializer.collect_map([("self", href()), (self.rel, href())])
    }
}

struct Collection<'a, E> {
    base: &'a str,
    request: &'a PageRequest,
    page: &'a Page<E>,
    links: Links,
}

impl<E: Entity> Serialize for Collection<'_, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(
            "_embedded",
            &Embedded {
                base: self.base,
                items: &self.page.items,
            },
        )?;
        map.serialize_entry("_links", &self.links)?;
        map.serialize_entry(
            "page",
            &PageNumbers {
                size: self.request.size,
                total_elements: self.page.total,
                total_pages: total_pages(self.page.total, self.request.size),
                number: self.request.page,
            },
        )?;
        map.end()
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct PageNumbers {
    size: u64,
    total_elements: u64,
    total_pages: u64,
    number: u64,
}

struct Embedded<'a, E> {
    base: &'a str,
    items: &'a [E],
}

impl<E: Entity> Serialize for Embedded<'_, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(
            E::rel(),
            Items {
                base: self.base,
                items: self.items,
            },
        )])
    }
}

struct Items<'a, E> {
    base: &'a str,
    items: &'a [E],
}

impl<E: Entity> Serialize for Items<'_, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.items.len()))?;
        for entity in self.items {
            let href = item_href::<E>(self.base, entity.number());
            sequence.serialize_element(&Item { entity, href: &href })?;
        }
        sequence.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop::domain::{Delivery, DeliveryId, Order, OrderFields, OrderId, Version};

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    fn head(url: &str) -> RequestHead {
        RequestHead::new(
            axum::http::Request::get(url).body(()).unwrap().into_parts().0,
            "localhost:8081",
        )
    }

    #[test]
    fn collections_read_as_spring_writes_them() {
        let request = PageRequest {
            page: 0,
            size: 20,
            sort: Vec::new(),
        };
        let fields = OrderFields {
            product_id: Some("100".into()),
            product_name: Some("TV".into()),
            qty: Some(3),
            customer_id: Some(1000),
            address: Some("SEOUL".into()),
        };
        let order = Order {
            id: OrderId(1),
            version: Version(1),
            fields,
        };
        let page = Page {
            items: vec![order],
            total: 1,
        };
        let expected = r#"{"_embedded":{"orders":[{"productId":"100","productName":"TV","qty":3,"customerId":1000,"address":"SEOUL","_links":{"self":{"href":"http://localhost:8081/orders/1"},"order":{"href":"http://localhost:8081/orders/1"}}}]},"_links":{"self":{"href":"http://localhost:8081/orders"},"profile":{"href":"http://localhost:8081/profile/orders"}},"page":{"size":20,"totalElements":1,"totalPages":1,"number":0}}"#;
        assert_eq!(text(collection(&head("/orders"), &request, &page)), expected);
    }

    #[test]
    fn nulls_are_written_and_text_is_escaped() {
        let delivery = Delivery {
            id: DeliveryId(2),
            order_id: None,
            fields: OrderFields {
                address: Some("\"서울\"\n".into()),
                ..OrderFields::default()
            },
            status: None,
            version: Version(1),
            events: Version(1),
        };
        assert_eq!(
            text(item(&delivery, "http://h/deliveries/2")),
            r#"{"orderId":null,"customerId":null,"productId":null,"productName":null,"qty":null,"address":"\"서울\"\n","status":null,"_links":{"self":{"href":"http://h/deliveries/2"},"delivery":{"href":"http://h/deliveries/2"}}}"#
        );
    }

    #[test]
    fn orders_of_older_tables_may_lack_everything() {
        let fields = OrderFields::default();
        let order = Order {
            id: OrderId(1),
            version: Version(1),
            fields,
        };
        let body = text(item(&order, "h"));
        let properties =
            r#"{"productId":null,"productName":null,"qty":null,"customerId":null,"address":null,"_links":"#;
        assert!(body.starts_with(properties), "{body}");
    }

    #[test]
    fn the_start_page_is_templated() {
        assert_eq!(
            text(root::<Order>(&head("/"))),
            r#"{"_links":{"orders":{"href":"http://localhost:8081/orders{?page,size,sort}","templated":true},"profile":{"href":"http://localhost:8081/profile"}}}"#
        );
    }

    #[test]
    fn profiles_name_each_property_in_body_order() {
        let names = |body: Vec<u8>| {
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let properties = body["alps"]["descriptor"][0]["descriptor"].as_array().unwrap().clone();
            properties
                .iter()
                .map(|property| property["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(alps::<Order>(&head("/profile/orders"))), Order::PROPERTIES);
        assert_eq!(
            names(alps::<Delivery>(&head("/profile/deliveries"))),
            Delivery::PROPERTIES
        );
        let page = Page {
            items: Vec::<Order>::new(),
            total: 0,
        };
        let request = PageRequest {
            page: 0,
            size: 20,
            sort: Vec::new(),
        };
        assert!(text(collection(&head("/orders"), &request, &page)).starts_with(r#"{"_embedded":{"orders":[]},"#));
    }
}
