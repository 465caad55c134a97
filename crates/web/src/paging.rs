//! Reads which page of a collection a query names, and makes the links to the other pages.

use std::borrow::Cow;

use super::entity::Entity;
use super::links::Links;
use super::request_head::RequestHead;
use shop::store::{PageRequest, Sort};

const DEFAULT_SIZE: u64 = 20;
const MAX_SIZE: i64 = 1000;

/// Reads `page`, `size` and `sort`. A value that makes no sense falls back to its default, as in Spring, so this never fails.
/// If `page` or `size` is given twice, the first value counts.
pub(super) fn page_request<'a, E: Entity>(
    parameters: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
) -> PageRequest {
    let (mut page, mut size, mut sort) = (None, None, Vec::new());
    for (name, value) in parameters {
        match &*name {
            "page" => _ = page.get_or_insert(value.parse::<i32>().unwrap_or(0).max(0)),
            "size" => _ = size.get_or_insert(value.parse::<i64>().unwrap_or(0)),
            "sort" => add_sort::<E>(&value, &mut sort),
            _ => {}
        }
    }
    PageRequest {
        page: page.unwrap_or(0) as u64,
        size: match size.unwrap_or(0) {
            ..1 => DEFAULT_SIZE,
            size => size.min(MAX_SIZE) as u64,
        },
        sort,
    }
}

/// Adds the properties of a `sort` value: `qty`, `qty,desc` or `customerId,qty,desc`. Only the first mention of a property
/// counts.
fn add_sort<E: Entity>(value: &str, sort: &mut Vec<Sort>) {
    let (names, descending) = match value.rsplit_once(',') {
        Some((names, direction)) if direction.eq_ignore_ascii_case("desc") => (names, true),
        Some((names, direction)) if direction.eq_ignore_ascii_case("asc") => (names, false),
        _ => (value, false),
    };
    for name in names.split(',') {
        let known = E::PROPERTIES
            .iter()
            .copied()
            .chain(["id"])
            .find(|property| *property == name);
        if let Some(property) = known.filter(|property| sort.iter().all(|sort| sort.property != *property)) {
            sort.push(Sort { property, descending });
        }
    }
}

/// How many pages `total` rows fill.
pub(super) fn total_pages(total: u64, size: u64) -> u64 {
    total.div_ceil(size)
}

/// The links of a page, in Spring's order. `first` and `last` are there only if there is a previous or a next page.
pub(super) fn page_links<E: Entity>(head: &RequestHead, request: &PageRequest, total: u64) -> Links {
    let pages = total_pages(total, request.size);
    let previous = request.page.checked_sub(1);
    let next = Some(request.page + 1).filter(|next| *next < pages);
    let several = previous.is_some() || next.is_some();
    let to = |page: u64| page_href::<E>(head, request, page);

    let mut links = Links::default();
    links.add_some("first", several.then(|| to(0)));
    links.add_some("prev", previous.map(to));
    links.add("self", head.href());
    links.add_some("next", next.map(to));
    links.add_some("last", several.then(|| to(pages.saturating_sub(1))));
    links.add("profile", format!("{}/profile{}", head.base, E::PATH));
    links.add_some("search", E::SEARCH.map(|_| format!("{}{}/search", head.base, E::PATH)));
    links
}

fn page_href<E: Entity>(head: &RequestHead, request: &PageRequest, page: u64) -> String {
    let mut href = format!("{}{}?page={page}&size={}", head.base, E::PATH, request.size);
    for Sort { property, descending } in &request.sort {
        let direction = if *descending { "desc" } else { "asc" };
        href.push_str(&format!("&sort={property},{direction}"));
    }
    href
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop::domain::Order;

    fn read(query: &str) -> PageRequest {
        page_request::<Order>(form_urlencoded::parse(query.as_bytes()))
    }

    #[test]
    fn numbers_that_make_no_sense_fall_back() {
        let cases = [
            ("", 0, 20),
            ("page=3&size=7", 3, 7),
            ("page=-1&size=-1", 0, 20),
            ("page=x&size=x", 0, 20),
            ("page=&size=", 0, 20),
            ("page=1.5&size=1.5", 0, 20),
            ("page=99999999999&size=0", 0, 20),
            ("page=2147483647&size=1001", 2_147_483_647, 1000),
            ("size=99999999999", 0, 1000),
            ("page=1&page=2&size=3&size=4", 1, 3),
        ];
        for (query, page, size) in cases {
            let request = read(query);
            assert_eq!((request.page, request.size), (page, size), "{query}");
        }
    }

    #[test]
    fn sorting_drops_what_is_unknown() {
        let cases: [(&str, &[(&str, bool)]); 10] = [
            ("", &[]),
            ("sort=qty", &[("qty", false)]),
            ("sort=qty,desc", &[("qty", true)]),
            ("sort=qty,DESC", &[("qty", true)]),
            ("sort=qty%2Cdesc", &[("qty", true)]),
            ("sort=customerId,qty,desc", &[("customerId", true), ("qty", true)]),
            ("sort=qty,desc&sort=address", &[("qty", true), ("address", false)]),
            ("sort=id,desc", &[("id", true)]),
            ("sort=nothing,desc&sort=qty&sort=Qty&sort=status", &[("qty", false)]),
            ("sort=qty&sort=qty,desc", &[("qty", false)]),
        ];
        for (query, expected) in cases {
            let sort: Vec<_> = read(query)
                .sort
                .iter()
                .map(|sort| (sort.property, sort.descending))
                .collect();
            assert_eq!(sort, expected, "{query}");
        }
    }

    #[test]
    fn links_go_where_there_is_something() {
        let cases = [
            ("", 0, vec!["self", "profile"]),
            ("", 20, vec!["self", "profile"]),
            ("", 21, vec!["first", "self", "next", "last", "profile"]),
            ("page=1", 60, vec!["first", "prev", "self", "next", "last", "profile"]),
            ("page=2", 60, vec!["first", "prev", "self", "last", "profile"]),
            ("page=9", 60, vec!["first", "prev", "self", "last", "profile"]),
            ("page=9", 0, vec!["first", "prev", "self", "last", "profile"]),
        ];
        for (query, total, rels) in cases {
            let request = axum::http::Request::get(format!("/orders?{query}")).body(()).unwrap();
            let head = RequestHead::new(request.into_parts().0, "h");
            let links = page_links::<Order>(&head, &read(query), total);
            assert_eq!(links.rels().collect::<Vec<_>>(), rels, "{query} of {total}");
        }
    }
}
