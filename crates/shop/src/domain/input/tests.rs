use super::*;

fn patch(body: &str) -> Result<OrderPatch, InvalidInput> {
    patch_from_slice(body.as_bytes())
}

fn order() -> OrderFields {
    OrderFields {
        product_id: Some("100".into()),
        product_name: Some("TV".into()),
        qty: Some(3),
        customer_id: Some(1000),
        address: Some("SEOUL".into()),
    }
}

#[test]
fn integers_are_coerced_as_jackson_does() {
    let accepted: [(&str, Option<i32>); 17] = [
        ("3", Some(3)),
        ("\"3\"", Some(3)),
        ("\" 3 \"", Some(3)),
        ("\"\\t3\\n\"", Some(3)),
        ("\"+3\"", Some(3)),
        ("\"-3\"", Some(-3)),
        ("\"003\"", Some(3)),
        ("\"\"", None),
        ("\"  \"", None),
        ("\"null\"", None),
        ("null", None),
        ("3.7", Some(3)),
        ("-3.7", Some(-3)),
        ("1e2", Some(100)),
        ("-0", Some(0)),
        ("2147483647", Some(i32::MAX)),
        ("\"-2147483648\"", Some(i32::MIN)),
    ];
    for (text, value) in accepted {
        assert_eq!(
            patch(&format!("{{\"qty\":{text}}}")).map(|patch| patch.qty),
            Ok(Some(value)),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_integer_is_refused_by_name() {
    let refused = [
        "\"3.7\"",
        "\"abc\"",
        "\"0x10\"",
        "\"1e2\"",
        "\"-\"",
        "\"3 4\"",
        "true",
        "false",
        "{}",
        "[]",
        "[3]",
        "{\"a\":1}",
        "2147483648",
        "-2147483649",
        "\"2147483648\"",
        "3e10",
        "1e400",
        "2147483647.5",
        "99999999999999999999999",
        "\"99999999999999999999999\"",
    ];
    for text in refused {
        let error = patch(&format!("{{\"qty\":{text}}}")).expect_err(text);
        assert_eq!(error.fields, ["qty"], "{text}");
        assert!(
            error.message.starts_with("qty must be a whole number between"),
            "{text}: {error}"
        );
    }
}

#[test]
fn long_integers_have_64_bits() {
    let customer = |text: &str| patch(&format!("{{\"customerId\":{text}}}")).map(|patch| patch.customer_id);
    for (text, value) in [
        ("9223372036854775807", i64::MAX),
        ("\"-9223372036854775808\"", i64::MIN),
        ("9007199254740993", 9_007_199_254_740_993),
        ("1000.9", 1000),
    ] {
        assert_eq!(customer(text), Ok(Some(Some(value))), "{text}");
    }
    for text in ["9223372036854775808", "\"9223372036854775808\"", "1e19"] {
        assert_eq!(customer(text).expect_err(text).fields, ["customerId"]);
    }
}

#[test]
fn strings_take_scalars_as_they_were_written() {
    let accepted = [
        ("\"3\"", Some("3")),
        ("\" 3 \"", Some(" 3 ")),
        ("\"\"", Some("")),
        ("\"null\"", Some("null")),
        ("null", None),
        ("3.7", Some("3.7")),
        ("3.70", Some("3.70")),
        ("1E2", Some("1E2")),
        ("123456789012345678901234567890", Some("123456789012345678901234567890")),
        ("true", Some("true")),
        ("false", Some("false")),
        ("\"서울 \\uD83D\\uDE00 \\\"x\\\"\"", Some("서울 😀 \"x\"")),
    ];
    for (text, value) in accepted {
        let read = patch(&format!("{{\"address\": {text} }}")).map(|patch| patch.address);
        assert_eq!(read, Ok(Some(value.map(str::to_owned))), "{text}");
    }
    for text in ["{}", "[]", "[\"a\"]", "\"\\ud800\""] {
        assert_eq!(
            patch(&format!("{{\"address\":{text}}}")).expect_err(text).fields,
            ["address"]
        );
    }
}

#[test]
fn a_new_order_names_what_does_not_fit_and_what_breaks_a_rule_at_once() {
    let refused = |body: &str| new_order_from_slice(body.as_bytes()).expect_err(body);
    let mixed = refused(r#"{"customerId":"seoul","qty":0,"address":" ","productName":[1]}"#);
    assert_eq!(
        mixed.fields,
        ["productId", "productName", "qty", "customerId", "address"]
    );
    assert!(
        mixed.message.starts_with("productId must be given; productName "),
        "{mixed}"
    );
    assert_eq!(
        refused(r#"{"qty":"many"}"#).fields,
        ["productId", "qty", "customerId", "address"]
    );
    let whole = r#"{"customerId":1000,"productId":100,"productName":"TV","qty":3,"address":"SEOUL"}"#;
    assert_eq!(new_order_from_slice(whole.as_bytes()), Ok(order()));
    let unruly = r#"{"customerId":1000}"#;
    assert!(
        new_order_from_slice(unruly.as_bytes()).is_ok(),
        "the rules are asked where the order is placed"
    );
}

#[test]
fn every_bad_field_is_named_at_once() {
    let error = patch(r#"{"address":[],"qty":"abc","productId":{},"customerId":true}"#).unwrap_err();
    assert_eq!(error.fields, ["productId", "qty", "customerId", "address"]);
    let error = check_new(&OrderFields::default()).unwrap_err();
    assert_eq!(error.fields, ["productId", "qty", "customerId", "address"]);
    assert_eq!(
        error.message,
        "productId must be given; qty must be at least 1; customerId must be given; address must be given."
    );
}

#[test]
fn bodies_that_are_no_object_are_refused() {
    let refused: [(&[u8], &str); 12] = [
        (b"", "empty"),
        (b"{", "well-formed"),
        (b"{\"qty\":}", "well-formed"),
        (b"{\"qty\":NaN}", "well-formed"),
        (b"{\"qty\":03}", "well-formed"),
        (b"{\"qty\":3} x", "well-formed"),
        (b"{'qty':3}", "well-formed"),
        (b"[]", "object"),
        (b"\"text\"", "object"),
        (b"3", "object"),
        (b"null", "object"),
        (b"{\"address\":\"\xFF\"}", "UTF-8"),
    ];
    for (body, word) in refused {
        let error = patch_from_slice(body).expect_err(&String::from_utf8_lossy(body));
        assert!(
            error.message.contains(word),
            "{}: {error}",
            String::from_utf8_lossy(body)
        );
        assert!(error.fields.is_empty());
    }
}

#[test]
fn a_byte_order_mark_unknown_fields_and_repeated_keys_are_no_trouble() {
    let read = patch("\u{feff}{\"id\":9,\"_links\":{\"self\":[1,{}]},\"qty\":\"abc\",\"qty\":4}").unwrap();
    assert_eq!(
        read,
        OrderPatch {
            qty: Some(Some(4)),
            ..OrderPatch::default()
        }
    );
    assert_eq!(patch("{}"), Ok(OrderPatch::default()));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn new_orders_obey_the_rules() {
    assert_eq!(check_new(&order()), Ok(()));
    assert_eq!(
        check_new(&OrderFields {
            product_name: None,
            ..order()
        }),
        Ok(())
    );
    let long = |n| Some("가".repeat(n));
    assert_eq!(
        check_new(&OrderFields {
            address: long(255),
            product_name: long(255),
            ..order()
        }),
        Ok(())
    );
    let refused = [
        (
            "productId",
            OrderFields {
                product_id: None,
                ..order()
            },
        ),
        (
            "productId",
            OrderFields {
                product_id: Some(" \t".into()),
                ..order()
            },
        ),
        (
            "productId",
            OrderFields {
                product_id: long(256),
                ..order()
            },
        ),
        (
            "productName",
            OrderFields {
                product_name: long(256),
                ..order()
            },
        ),
        ("qty", OrderFields { qty: None, ..order() }),
        (
            "qty",
            OrderFields {
                qty: Some(0),
                ..order()
            },
        ),
        (
            "qty",
            OrderFields {
                qty: Some(-1),
                ..order()
            },
        ),
        (
            "customerId",
            OrderFields {
                customer_id: None,
                ..order()
            },
        ),
        (
            "address",
            OrderFields {
                address: None,
                ..order()
            },
        ),
        (
            "address",
            OrderFields {
                address: Some(String::new()),
                ..order()
            },
        ),
        (
            "address",
            OrderFields {
                address: long(256),
                ..order()
            },
        ),
    ];
    for (field, fields) in refused {
        assert_eq!(check_new(&fields).expect_err(field).fields, [field], "{fields:?}");
        assert_eq!(
            check_change(&order(), &fields).expect_err(field).fields,
            [field],
            "{fields:?}"
        );
    }
}

#[test]
fn older_rows_may_keep_what_they_hold() {
    let old = OrderFields {
        qty: Some(0),
        address: None,
        ..order()
    };
    assert_eq!(
        check_change(
            &old,
            &OrderFields {
                customer_id: Some(2),
                ..old.clone()
            }
        ),
        Ok(())
    );
    let blank = OrderFields {
        address: Some(" ".into()),
        ..old.clone()
    };
    assert_eq!(check_change(&old, &blank).unwrap_err().fields, ["address"]);
}

#[test]
fn json_patches_work_on_the_orders_document() {
    let apply = |text: &str| apply_json_patch(&order(), &json_patch_from_slice(text.as_bytes()).unwrap());
    let changed = apply(r#"[{"op":"test","path":"/qty","value":3},{"op":"replace","path":"/qty","value":"4"}]"#);
    assert_eq!(
        changed,
        Ok(OrderFields {
            qty: Some(4),
            ..order()
        })
    );
    let removed = apply(r#"[{"op":"remove","path":"/productName"}]"#);
    assert_eq!(
        removed,
        Ok(OrderFields {
            product_name: None,
            ..order()
        })
    );
    let copied = apply(r#"[{"op":"copy","from":"/qty","path":"/address"}]"#);
    assert_eq!(
        copied,
        Ok(OrderFields {
            address: Some("3".into()),
            ..order()
        })
    );
    assert_eq!(
        apply(r#"[{"op":"add","path":"/qty","value":[]}]"#).unwrap_err().fields,
        ["qty"]
    );
    assert!(
        apply(r#"[{"op":"replace","path":"","value":3}]"#)
            .unwrap_err()
            .message
            .contains("object")
    );
}

#[test]
fn json_patches_that_do_not_fit_name_the_operation() {
    let apply =
        |text: &str| json_patch_from_slice(text.as_bytes()).and_then(|patch| apply_json_patch(&order(), &patch));
    let failed = apply(r#"[{"op":"test","path":"/qty","value":3},{"op":"test","path":"/address","value":"PUSAN"}]"#);
    let message = failed.unwrap_err().message;
    assert!(
        message.contains("Operation 2") && message.contains("/address"),
        "{message}"
    );
    assert!(
        apply(r#"[{"op":"remove","path":"/nothing"}]"#)
            .unwrap_err()
            .message
            .contains("/nothing")
    );
    for text in [
        "{}",
        "3",
        "[{\"op\":\"jump\",\"path\":\"/qty\"}]",
        "[{\"op\":\"add\",\"path\":\"/qty\"}]",
        "[",
        "",
    ] {
        assert!(json_patch_from_slice(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn json_patches_cannot_blow_up_the_document() {
    for copy in [
        r#"{"op":"copy","from":"","path":"/address"}"#,
        r#"{"op":"copy","from":"/qty","path":""}"#,
        r#"{"op":"copy","from":"/qty","path":"/qty/a"}"#,
    ] {
        let error = json_patch_from_slice(format!("[{copy}]").as_bytes()).unwrap_err();
        assert!(error.message.contains("only a field can be copied"), "{error}");
    }
    let operations = |n| vec![r#"{"op":"test","path":"/qty","value":3}"#; n].join(",");
    assert!(json_patch_from_slice(format!("[{}]", operations(100)).as_bytes()).is_ok());
    let error = json_patch_from_slice(format!("[{}]", operations(101)).as_bytes()).unwrap_err();
    assert_eq!(error.message, "A JSON Patch may have 100 operations, not 101.");
}
