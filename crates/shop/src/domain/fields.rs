//! What a customer says about an order, as a whole and in part.

/// What a customer says about an order. Everything may be absent: tables of older systems hold such rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFields {
    /// The product's code.
    pub product_id: Option<String>,
    /// The product's name.
    pub product_name: Option<String>,
    /// How many.
    pub qty: Option<i32>,
    /// Who ordered.
    pub customer_id: Option<i64>,
    /// Where to.
    pub address: Option<String>,
}

/// Some of an order's fields: `None` leaves one as it is, `Some(None)` sets it to null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderPatch {
    /// The product's code.
    pub product_id: Option<Option<String>>,
    /// The product's name.
    pub product_name: Option<Option<String>>,
    /// How many.
    pub qty: Option<Option<i32>>,
    /// Who ordered.
    pub customer_id: Option<Option<i64>>,
    /// Where to.
    pub address: Option<Option<String>>,
}
