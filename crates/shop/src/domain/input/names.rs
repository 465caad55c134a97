//! The names that the fields of an order have in JSON.

pub(super) const PRODUCT_ID: &str = "productId";
pub(super) const PRODUCT_NAME: &str = "productName";
pub(super) const QTY: &str = "qty";
pub(super) const CUSTOMER_ID: &str = "customerId";
pub(super) const ADDRESS: &str = "address";

/// The names in the sequence in which a JSON order has them.
pub(super) const BODY_ORDER: [&str; 5] = [PRODUCT_ID, PRODUCT_NAME, QTY, CUSTOMER_ID, ADDRESS];
