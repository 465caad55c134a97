//! Pages of 45 orders: how they are cut, sorted and linked.

use serde_json::{Value, json};

use crate::table::cells;
use crate::wire::{Rows, Service, WireAnswer};

/// The links stand in their order, each with the page that it leads to.
const PAGES: &str = r#"
query                                 | first id | last id | items | size | number | links                                 | sort
                                      | 1        | 20      | 20    | 20   | 0      | first 0, self, next 1, last 2         |
?page=1                               | 21       | 40      | 20    | 20   | 1      | first 0, prev 0, self, next 2, last 2 |
?page=2                               | 41       | 45      | 5     | 20   | 2      | first 0, prev 1, self, last 2         |
?page=9                               |          |         | 0     | 20   | 9      | first 0, prev 8, self, last 2         |
?size=100                             | 1        | 45      | 45    | 100  | 0      | self                                  |
?size=1001                            | 1        | 45      | 45    | 1000 | 0      | self                                  |
?page=abc&size=abc                    | 1        | 20      | 20    | 20   | 0      | first 0, self, next 1, last 2         |
?page=-1&size=0                       | 1        | 20      | 20    | 20   | 0      | first 0, self, next 1, last 2         |
?size=40&sort=qty,desc                | 45       | 6       | 40    | 40   | 0      | first 0, self, next 1, last 1         | &sort=qty,desc
?size=40&sort=customerId&sort=id,desc | 45       | 6       | 40    | 40   | 0      | first 0, self, next 1, last 1         | &sort=customerId,asc&sort=id,desc
?size=50&sort=nothing,desc            | 1        | 45      | 45    | 50   | 0      | self                                  |
?size=50&sort=id%2Cdesc               | 45       | 1       | 45    | 50   | 0      | self                                  |
?size=50&sort=address                 | 1        | 45      | 45    | 50   | 0      | self                                  |
"#;

#[tokio::test]
async fn pages_are_cut_and_linked_as_spring_does() {
    let service = Service::orders().await;
    for qty in 1..=45 {
        let body = format!(r#"{{"customerId":1,"productId":"1","address":"A","qty":{qty}}}"#);
        assert_eq!(service.httpie("POST /orders", &body).await.status, 201);
    }
    let mut rows = Rows::default();
    for row in &cells(PAGES)[1..] {
        let [query, first, last, count, size, number, links, sort] = row[..] else {
            panic!("the columns of {row:?}");
        };
        let answer = service.get(&format!("/orders{query}")).await;
        let seen = items(&answer);
        rows.check(&format!("{query} items"), seen == [first, last, count], seen);
        let page = page(size.parse().expect("a size"), number.parse().expect("a number"));
        rows.check(
            &format!("{query} page"),
            answer.body.contains(&page),
            &answer.json()["page"],
        );
        let seen = seen_links(&answer);
        rows.check(
            &format!("{query} links"),
            seen == expected_links(query, links, size, sort),
            seen,
        );
    }
}

/// The ids of the first and the last order of a page, empty if it has none, and how many it has.
fn items(answer: &WireAnswer) -> [String; 3] {
    let body = answer.json();
    let orders = body["_embedded"]["orders"]
        .as_array()
        .expect("an array, also when it is empty");
    let id = |item: Option<&Value>| {
        let href = item.map_or("", |item| item["_links"]["self"]["href"].as_str().expect("a link"));
        href.rsplit('/').next().unwrap_or_default().to_owned()
    };
    [id(orders.first()), id(orders.last()), orders.len().to_string()]
}

fn page(size: u64, number: u64) -> String {
    let pages = 45_u64.div_ceil(size);
    let page = json!({"size": size, "totalElements": 45, "totalPages": pages, "number": number});
    format!("\"page\":{page}")
}

fn seen_links(answer: &WireAnswer) -> Vec<(String, String)> {
    let body = answer.json();
    let links = body["_links"].as_object().expect("links").iter();
    let href = |link: &Value| link["href"].as_str().expect("a link").to_owned();
    links.map(|(rel, link)| (rel.clone(), href(link))).collect()
}

fn expected_links(query: &str, links: &str, size: &str, sort: &str) -> Vec<(String, String)> {
    let target = |link: &str| match link.split_once(' ') {
        None => (link.to_owned(), format!("http://localhost:8081/orders{query}")),
        Some((rel, page)) => (
            rel.to_owned(),
            format!("http://localhost:8081/orders?page={page}&size={size}{sort}"),
        ),
    };
    let profile = ("profile".to_owned(), "http://localhost:8081/profile/orders".to_owned());
    links.split(", ").map(target).chain([profile]).collect()
}
