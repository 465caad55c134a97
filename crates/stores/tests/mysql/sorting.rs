//! Pages that are sorted by a text are the same on SQLite, which has the server's collation from a table of our own, and here.

use keylane_log::Timestamp;
use shop::domain::{OrderCommand, OrderFields, OrderOutcome, OrderRequest, Source};
use shop::store::{PageRequest, Sort, Store};
use stores::sqlite::SqliteStore;

use super::database::Database;

/// The parts of the basic plane in which characters have others' weights.
const CASED: [u32; 11] = [0, 1, 2, 3, 4, 5, 0x1E, 0x1F, 0x21, 0x24, 0xFF];

/// Names of one character: every one of those parts, and some of everywhere, above the basic plane too.
fn characters() -> Vec<String> {
    let cased = CASED.iter().flat_map(|part| part * 256..(part + 1) * 256);
    let everywhere = (0..0x11_0000).step_by(977);
    let characters = cased.chain(everywhere).filter_map(char::from_u32);
    characters.map(String::from).collect()
}

/// Words of several characters, whose ends and spaces count.
fn words() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(7);
    let letters: Vec<char> = "aAb\u{e9}E\u{df}sS \t!0_\u{ac00}\u{b098}\u{b2e4}\u{1f3e0}\u{1e5}g\u{fffd}"
        .chars()
        .collect();
    let mut word = || {
        (0..random.usize(0..6))
            .map(|_| letters[random.usize(0..letters.len())])
            .collect()
    };
    (0..600).map(|_| word()).collect()
}

async fn fill(store: &dyn Store, names: &[String]) {
    for names in names.chunks(500) {
        let place = |name: &String| OrderRequest {
            command: OrderCommand::Place(OrderFields {
                product_id: Some("100".into()),
                product_name: Some(name.clone()),
                qty: Some(1),
                customer_id: Some(1),
                address: Some("PUSAN".into()),
            }),
            condition: Default::default(),
            traceparent: None,
        };
        let batch: Vec<OrderRequest> = names.iter().map(place).collect();
        let outcomes = store.run_orders(&batch, Timestamp(0)).await.unwrap();
        let refused = outcomes
            .iter()
            .find(|outcome| !matches!(outcome, OrderOutcome::Placed(_)));
        assert_eq!(refused, None);
    }
}

/// The numbers of all orders, and their names, as a page shows them.
async fn sorted(store: &dyn Store, size: usize, descending: bool) -> Vec<(i64, String)> {
    let request = PageRequest {
        page: 0,
        size: size as u64,
        sort: vec![Sort {
            property: "productName",
            descending,
        }],
    };
    let page = store.orders(&request).await.unwrap();
    let orders = page.items.into_iter();
    orders
        .map(|order| (order.id.0, order.fields.product_name.unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn a_page_is_sorted_as_on_sqlite() {
    let names = [characters(), words()].concat();
    let folder = tempfile::tempdir().expect("a folder");
    let embedded = SqliteStore::open(&folder.path().join("orders.db"), Source::Orders).expect("a store");
    let database = Database::unmade();
    let server = database.open(Source::Orders).await;
    fill(&embedded, &names).await;
    fill(&server, &names).await;
    for descending in [false, true] {
        let (here, there) = (
            sorted(&embedded, names.len(), descending).await,
            sorted(&server, names.len(), descending).await,
        );
        assert_eq!(here.len(), names.len());
        let first = here.iter().zip(&there).find(|(here, there)| here != there);
        assert_eq!(first, None, "the first that differs");
    }
}
