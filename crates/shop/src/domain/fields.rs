//! The fields of an order that its customer chooses, as a whole and in part.

/// The fields of an order that its customer chooses. Each may be absent: tables of older systems hold such rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFields {
    /// The product's code.
    pub product_id: Option<String>,
    /// The product's name.
    pub product_name: Option<String>,
    /// How many pieces are ordered.
    pub qty: Option<i32>,
    /// The customer's number.
    pub customer_id: Option<i64>,
    /// The address to deliver to.
    pub address: Option<String>,
}

/// A change to some of an order's fields: `None` leaves a field as it is, `Some(None)` sets it to null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderPatch {
    /// The product's code.
    pub product_id: Option<Option<String>>,
    /// The product's name.
    pub product_name: Option<Option<String>>,
    /// How many pieces are ordered.
    pub qty: Option<Option<i32>>,
    /// The customer's number.
    pub customer_id: Option<Option<i64>>,
    /// The address to deliver to.
    pub address: Option<Option<String>>,
}
