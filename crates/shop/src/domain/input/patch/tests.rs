use crate::domain::OrderFields;
use crate::domain::input::{apply_json_patch, json_patch_from_slice};

fn order() -> OrderFields {
    OrderFields {
        product_id: Some("100".into()),
        product_name: None,
        qty: Some(3),
        customer_id: Some(9_007_199_254_740_993),
        address: Some("SEOUL".into()),
    }
}

fn applied(text: &str) -> Result<OrderFields, String> {
    let patch = json_patch_from_slice(text.as_bytes()).map_err(|invalid| invalid.message)?;
    apply_json_patch(&order(), &patch).map_err(|invalid| invalid.message)
}

#[test]
fn numbers_are_tested_by_value() {
    let passes = |path: &str, value: &str| {
        let text = format!(r#"[{{"op":"test","path":"{path}","value":{value}}}]"#);
        applied(&text).is_ok()
    };
    for same in ["3", "3.0", "3e0", "30e-1", "0.3E1"] {
        assert!(passes("/qty", same), "{same}");
    }
    for other in ["4", "3.0001", "\"3\"", "null", "true", "[3]", "-3"] {
        assert!(!passes("/qty", other), "{other}");
    }
    assert!(passes("/customerId", "9007199254740993"));
    assert!(passes("/customerId", "9007199254740993.0"));
    assert!(!passes("/customerId", "9007199254740992"));
    assert!(passes("/productName", "null"));
    let whole = r#"{"qty":3.0,"address":"SEOUL","productId":"100","productName":null,"customerId":9007199254740993}"#;
    assert!(passes("", whole));
    assert!(!passes("", r#"{"qty":3}"#));
}

#[test]
fn numbers_keep_their_digits() {
    let address = |operation: &str| applied(&format!("[{operation}]")).map(|fields| fields.address.unwrap_or_default());
    for digits in ["3.10", "1e0", "12345678901234567890123456789", "-0", "0.1000"] {
        let set = format!(r#"{{"op":"add","path":"/address","value":{digits}}}"#);
        assert_eq!(address(&set).as_deref(), Ok(digits));
        let nested = format!(
            r#"{{"op":"add","path":"/productName","value":[{digits}]}},
               {{"op":"move","from":"/productName/0","path":"/address"}},
               {{"op":"replace","path":"/productName","value":null}}"#
        );
        assert_eq!(address(&nested).as_deref(), Ok(digits));
    }
    let copied = address(r#"{"op":"copy","from":"/customerId","path":"/address"}"#);
    assert_eq!(copied.as_deref(), Ok("9007199254740993"));
}

#[test]
fn what_an_order_does_not_have_is_a_bad_path() {
    for operation in [
        r#"{"op":"add","path":"/extra","value":1}"#,
        r#"{"op":"add","path":"/id","value":1}"#,
        r#"{"op":"add","path":"/_links","value":1}"#,
        r#"{"op":"add","path":"/","value":1}"#,
        r#"{"op":"add","path":"/Qty","value":1}"#,
        r#"{"op":"replace","path":"/extra","value":1}"#,
        r#"{"op":"remove","path":"/extra"}"#,
        r#"{"op":"test","path":"/extra","value":null}"#,
        r#"{"op":"move","from":"/qty","path":"/extra"}"#,
        r#"{"op":"move","from":"/extra","path":"/qty"}"#,
        r#"{"op":"copy","from":"/qty","path":"/extra"}"#,
        r#"{"op":"add","path":"/extra/deep","value":1}"#,
    ] {
        let message = applied(&format!("[{operation}]")).expect_err(operation);
        assert!(
            message.starts_with("Operation 1 ") && message.contains("an order has no "),
            "{message}"
        );
        assert!(
            message.contains("it has productId, productName, qty, customerId, address"),
            "{message}"
        );
    }
    for operation in [
        r#"{"op":"add","path":"/qty/0","value":1}"#,
        r#"{"op":"add","path":"/address/-","value":1}"#,
        r#"{"op":"remove","path":"/address/0"}"#,
        r#"{"op":"remove","path":""}"#,
        r#"{"op":"replace","path":"/qty/x","value":1}"#,
        r#"{"op":"move","from":"","path":"/qty"}"#,
        r#"{"op":"move","from":"/qty","path":"/qty/a"}"#,
        r#"{"op":"test","path":"/productName/0","value":1}"#,
    ] {
        assert!(applied(&format!("[{operation}]")).is_err(), "{operation}");
    }
}

#[test]
fn a_member_that_is_gone_can_only_be_added() {
    let gone = |operation: &str| applied(&format!(r#"[{{"op":"remove","path":"/address"}},{operation}]"#));
    assert!(gone(r#"{"op":"add","path":"/address","value":"PUSAN"}"#).is_ok());
    assert!(gone(r#"{"op":"replace","path":"/address","value":"PUSAN"}"#).is_err());
    assert!(gone(r#"{"op":"remove","path":"/address"}"#).is_err());
    assert!(gone(r#"{"op":"test","path":"/address","value":null}"#).is_err());
    assert!(gone(r#"{"op":"move","from":"/address","path":"/productName"}"#).is_err());
    let moved = applied(r#"[{"op":"move","from":"/address","path":"/productName"}]"#).expect("it fits");
    assert_eq!((moved.product_name.as_deref(), moved.address), (Some("SEOUL"), None));
}

#[test]
fn arrays_and_escapes_are_walked() {
    let name = |operations: &str| {
        let all = format!(
            r#"[{operations},{{"op":"move","from":"/productId/0","path":"/productName"}},
                {{"op":"replace","path":"/productId","value":"1"}}]"#
        );
        applied(&all).map(|fields| fields.product_name.unwrap_or_default())
    };
    let array = r#"{"op":"add","path":"/productId","value":["b","d"]}"#;
    let cases = [
        (r#"{"op":"add","path":"/productId/0","value":"a"}"#, Some("a")),
        (r#"{"op":"add","path":"/productId/2","value":"e"}"#, Some("b")),
        (r#"{"op":"add","path":"/productId/-","value":"e"}"#, Some("b")),
        (r#"{"op":"remove","path":"/productId/0"}"#, Some("d")),
        (
            r#"{"op":"move","from":"/productId/1","path":"/productId/0"}"#,
            Some("d"),
        ),
        (
            r#"{"op":"move","from":"/productId/0","path":"/productId/0"}"#,
            Some("b"),
        ),
        (r#"{"op":"replace","path":"/productId/0","value":"x"}"#, Some("x")),
        (r#"{"op":"test","path":"/productId","value":["b","d"]}"#, Some("b")),
        (r#"{"op":"test","path":"/productId","value":["d","b"]}"#, None),
        (r#"{"op":"add","path":"/productId/3","value":"e"}"#, None),
        (r#"{"op":"add","path":"/productId/00","value":"e"}"#, None),
        (r#"{"op":"add","path":"/productId/+1","value":"e"}"#, None),
        (
            r#"{"op":"add","path":"/productId/99999999999999999999","value":"e"}"#,
            None,
        ),
        (r#"{"op":"remove","path":"/productId/-"}"#, None),
        (r#"{"op":"remove","path":"/productId/2"}"#, None),
        (r#"{"op":"replace","path":"/productId/-","value":"x"}"#, None),
    ];
    for (operation, expected) in cases {
        assert_eq!(
            name(&format!("{array},{operation}")).ok().as_deref(),
            expected,
            "{operation}"
        );
    }
    let object = r#"{"op":"add","path":"/productId","value":{"a/b":1,"c~d":2,"~1":3,"0":4}}"#;
    for (escaped, holds) in [("a~1b", 1), ("c~0d", 2), ("~01", 3), ("0", 4)] {
        let test = format!(r#"{object},{{"op":"test","path":"/productId/{escaped}","value":{holds}}}"#);
        assert!(name(&test).is_ok(), "{escaped}");
    }
    for bad in ["a~b", "~", "~2", "a~1b~"] {
        let text = format!(r#"[{{"op":"remove","path":"/address/{bad}"}}]"#);
        assert!(applied(&text).expect_err(bad).contains('~'), "{bad}");
    }
}

#[test]
fn operations_are_what_the_rfc_says() {
    for bad in [
        r#"{"op":"add","path":"/qty"}"#,
        r#"{"op":"move","path":"/qty"}"#,
        r#"{"op":"copy","path":"/qty","value":1}"#,
        r#"{"op":"jump","path":"/qty"}"#,
        r#"{"path":"/qty","value":1}"#,
        r#"{"op":"add","value":1}"#,
        r#"{"op":"add","path":"qty","value":1}"#,
        r#"{"op":"add","path":7,"value":1}"#,
        r#"{"op":"add","path":"/qty","path":"/qty","value":1}"#,
        r#"{"op":"add","path":"/address","value":"\ud800"}"#,
        "[]",
        "3",
        "null",
    ] {
        let message = applied(&format!("[{bad}]")).expect_err(bad);
        assert!(message.starts_with("Operation 1 "), "{message}");
    }
    let extra = applied(r#"[{"op":"add","path":"/qty","value":4,"from":7,"note":{"a":[]}}]"#);
    assert!(extra.is_err(), "a from must be text, whoever needs it");
    let extra = applied(r#"[{"op":"add","path":"/qty","value":4,"note":{"a":[]}}]"#);
    assert_eq!(extra.map(|fields| fields.qty), Ok(Some(4)));
    let magic = applied(r#"[{"op":"add","path":"/qty","value":{"$serde_json::private::RawValue":"5"}}]"#);
    assert!(magic.expect_err("an object").contains("an object or an array"));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let test = |depth| {
        let value = nested(depth);
        applied(&format!(r#"[{{"op":"test","path":"/qty","value":{value}}}]"#)).expect_err("not the quantity")
    };
    assert!(test(32).contains("another one"), "{}", test(32));
    assert!(test(33).contains("nested deeper than 32"), "{}", test(33));
    assert!(test(30_000).contains("nested deeper than 32"));
}

/// The library that was used before panicked on each of these patches, and took the database's thread with it.
#[test]
fn moves_that_fail_late_are_refused() {
    for operations in [
        r#"{"op":"move","from":"/productId","path":"/address"},{"op":"move","from":"/address","path":"/productId/a"}"#,
        r#"{"op":"move","from":"/productId","path":"/productId"},{"op":"move","from":"/productId","path":"/productName/a"}"#,
        r#"{"op":"remove","path":"/customerId"},{"op":"add","path":"/customerId","value":null},{"op":"move","from":"/customerId","path":"/productId/a"}"#,
    ] {
        let message = applied(&format!("[{operations}]")).expect_err(operations);
        assert!(message.contains("can't be applied"), "{message}");
    }
}
