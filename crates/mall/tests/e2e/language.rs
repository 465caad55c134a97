//! What learners read is Korean where they ask for that, by option or by locale; what machines read is not.

use serde_json::Value;

use crate::course::{change_and_cancel, place, wait_status};
use crate::support::role::Role;
use crate::support::stack::Stack;
use crate::support::wait_for;

#[test]
fn an_order_is_followed_in_korean() {
    let stack = Stack::embedded();
    let order = stack.role("order", &["--key", "none", "--lang", "ko"]);
    let mut korean = stack.command(&["delivery", "--key", "none", "--modify-delay", "1ms", "--port", "0"]);
    korean.env_remove("LC_ALL").env("LANG", "ko_KR.UTF-8");
    let delivery = Role::start("delivery", &mut korean);
    delivery.address();
    let kim = place(&stack, order.address());
    change_and_cancel(order.address(), kim);
    wait_status(&stack, kim, "DELIVERY CANCELLED");

    order.wait_line("모드: --key none: 한 주문의 이벤트가 파티션에 번갈아 적재됨");
    let published = order.wait_line(&format!("OrderPlaced order={kim} v1 → P0@0, "));
    assert!(published.ends_with("키 없음: 라운드로빈"), "{published}");
    let slow = delivery.wait_line(&format!("OrderModified order={kim} v2 P0@"));
    assert!(slow.ends_with("0.00s 걸림"), "{slow}");

    let number = kim.to_string();
    let said = |words: &[&str]| String::from_utf8(stack.run(words).stdout).expect("it is UTF-8");
    let verified = said(&["verify", "--wait", "30s", "--lang", "ko"]);
    assert_eq!(
        verified,
        "주문 1건: 피해(harm) 0, 위험(hazard) 0, 알 수 없음 0: 피해 없음\n"
    );
    let timeline = said(&["timeline", &number, "--lang", "ko"]);
    assert!(timeline.starts_with(&format!("주문 {kim}\n")), "{timeline}");
    assert!(timeline.contains("v3 OrderCancelled 반영됨, P0@"), "{timeline}");
    assert!(
        timeline.ends_with(&format!("{kim}번 주문에는 알려진 피해가 없음\n")),
        "{timeline}"
    );

    let json = said(&["verify", "--json", "--lang", "ko"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["answer"], "no harm");
}

/// An order that breaks is told of in Korean as well, with the name by which one looks for such lines.
#[test]
fn an_order_that_breaks_is_told_in_korean() {
    let stack = Stack::embedded();
    let course = ["--course", "--partitions", "2", "--lang", "ko"];
    let order = stack.role("order", &course);
    let [first, second] = ["delivery-1", "delivery-2"].map(|name| {
        stack.role(
            "delivery",
            &[&course[..], &["--name", name, "--modify-delay", "2s"]].concat(),
        )
    });
    first.wait_line("assigned");
    second.wait_line("assigned");
    let kim = place(&stack, order.address());
    change_and_cancel(order.address(), kim);
    wait_status(&stack, kim, "DELIVERY MODIFIED");
    let line = wait_for("the line of an order that broke", || {
        let told = [first.lines(), second.lines()].concat();
        told.into_iter().find(|line| line.contains("OUT OF ORDER"))
    });
    assert!(line.contains("순서가 뒤바뀜(OUT OF ORDER): OrderModified"), "{line}");
    assert!(
        line.ends_with("상태는 DELIVERY CANCELLED이어야 하는데 DELIVERY MODIFIED"),
        "{line}"
    );
    let verified = stack.run(&["verify", "--lang", "ko"]);
    assert_eq!(verified.status.code(), Some(1));
    let verified = String::from_utf8(verified.stdout).expect("it is UTF-8");
    assert!(
        verified.contains("  → inversion: v2 이벤트가 v3 뒤에 반영됨\n"),
        "{verified}"
    );
    assert!(
        verified.contains("  해결책: 배송 인스턴스를 --guard version으로"),
        "{verified}"
    );
}
