//! What is told, in lanes and in lines, in both languages.

use lab::narration::{Narrator, Shown, Tone};
use lab::run::{Cast, Told, run};
use lab::scenario::{Run, parse};
use observe::{Applier, Ending, Reason, What};
use shop::text::Language;

use crate::scripted::{Scripted, assigned, begun, effect, finished, good, on, place, published, seen};

const SCENARIO: &str = "deliveries 2\nplace KIM address=PUSAN\nwait until KIM v2 begun\ncancel KIM\nexpect clean\n";

fn told(language: Language, width: usize) -> Vec<Shown> {
    let scenario = parse("own.lab", SCENARIO).expect("a scenario");
    let by = |instance: &str| {
        Some(Applier {
            instance: instance.to_owned(),
            own: false,
            place: None,
            discarded: false,
        })
    };
    let early = Ending::Early {
        reason: Reason::Gap,
        next: 2,
        worker: None,
    };
    let own = What::Committed {
        event: observe::Event {
            order: 1,
            delivery: Some(1),
            version: Some(1),
            name: Some("DeliveryStarted".into()),
        },
    };
    let (here, there) = (place(0, 2), place(1, 0));
    let beats = vec![
        on(
            "place KIM address=PUSAN",
            vec![
                seen(0, "delivery-1", assigned(0, 0)),
                seen(12, "order", published(1, place(0, 0))),
                seen(
                    15,
                    "delivery-1",
                    finished(1, place(0, 0), Ending::Applied(effect("DELIVERY STARTED"))),
                ),
                seen(15, "delivery-1", own),
            ],
        ),
        on("advance", vec![seen(1020, "delivery-2", begun(2, there))]),
        on("cancel KIM", vec![seen(1100, "order", published(3, here))]),
        on(
            "settle",
            vec![
                seen(1101, "delivery-1", finished(3, here, early)),
                seen(1102, "delivery-1", What::Frozen),
                seen(
                    11_020,
                    "delivery-2",
                    finished(2, there, Ending::OutOfOrder(effect("DELIVERY MODIFIED"))),
                ),
                seen(
                    11_021,
                    "delivery-1",
                    finished(2, there, Ending::Stale { by: by("delivery-2") }),
                ),
            ],
        ),
    ];
    let mut world = Scripted::new(beats, good());
    let mut narrator = Narrator::new(&scenario, Run::Fixed, language, width);
    let mut lines = narrator.heading();
    run(&scenario, Run::Fixed, &mut world, &mut |told| {
        lines.extend(match told {
            Told::Step(line) => narrator.step(line),
            Told::Observed(observation, cast) => narrator.observed(observation, cast),
        });
    });
    lines
}

fn text(lines: &[Shown]) -> String {
    lines.iter().map(|shown| format!("{}\n", shown.line)).collect()
}

#[test]
fn a_wide_terminal_gets_a_column_for_each_process() {
    assert_eq!(
        text(&told(Language::English, 104)),
        "           order                         │ delivery-1                    │ delivery-2
▶ KIM orders: address=PUSAN
  0.000s                                 │ gets P0, from offset 0        │
  0.012s   KIM v1 → P0@0, no key         │                               │
  0.015s                                 │ KIM v1 P0@0 … DELIVERY        │
                                         │   STARTED                     │
▶ … waiting until KIM v2 is begun
  1.020s                                 │                               │ KIM v2 P1@0 … takes 10.00s
▶ KIM cancels the order
  1.100s   KIM v3 → P0@2, no key         │                               │
  1.101s                                 │ KIM v3 P0@2 is parked: v2     │
                                         │   comes first                 │
  1.102s                                 │ stands still                  │
 11.020s                                 │                               │ KIM v2 P1@0 … DELIVERY
                                         │                               │   MODIFIED, OUT OF ORDER: a
                                         │                               │   later version came first
 11.021s                                 │ KIM v2 P1@0 write refused:    │
                                         │   delivery-2 has already      │
                                         │   applied v2                  │
"
    );
}

#[test]
fn a_narrow_terminal_gets_lines() {
    assert_eq!(
        text(&told(Language::English, 80)),
        "\
▶ KIM orders: address=PUSAN
  0.000s  delivery-1  gets P0, from offset 0
  0.012s  order       KIM v1 → P0@0, no key
  0.015s  delivery-1  KIM v1 P0@0 … DELIVERY STARTED
▶ … waiting until KIM v2 is begun
  1.020s  delivery-2  KIM v2 P1@0 … takes 10.00s
▶ KIM cancels the order
  1.100s  order       KIM v3 → P0@2, no key
  1.101s  delivery-1  KIM v3 P0@2 is parked: v2 comes first
  1.102s  delivery-1  stands still
 11.020s  delivery-2  KIM v2 P1@0 … DELIVERY MODIFIED, OUT OF ORDER: a later version came first
 11.021s  delivery-1  KIM v2 P1@0 write refused: delivery-2 has already applied v2
"
    );
}

#[test]
fn it_is_told_in_korean_too() {
    assert_eq!(
        text(&told(Language::Korean, 80)),
        "\
▶ KIM 주문 생성: address=PUSAN
  0.000s  delivery-1  P0 할당됨, 오프셋 0부터
  0.012s  order       KIM v1 → P0@0, 키 없음
  0.015s  delivery-1  KIM v1 P0@0 … DELIVERY STARTED
▶ … KIM v2 처리가 시작될 때까지 기다림
  1.020s  delivery-2  KIM v2 P1@0 … 10.00s 걸림
▶ KIM 주문 취소
  1.100s  order       KIM v3 → P0@2, 키 없음
  1.101s  delivery-1  KIM v3 P0@2 보류: 앞선 v2를 기다림
  1.102s  delivery-1  멈춤
 11.020s  delivery-2  KIM v2 P1@0 … DELIVERY MODIFIED, 순서 뒤바뀜(OUT OF ORDER): 뒤 버전이 먼저 반영됨
 11.021s  delivery-1  KIM v2 P1@0 쓰기 거절: 이미 delivery-2에서 v2 반영됨
"
    );
}

#[test]
fn what_goes_wrong_and_what_keeps_it_from_that_can_be_told_apart() {
    let told = told(Language::English, 80);
    let of = |tone: Tone| told.iter().filter(|shown| shown.tone == tone).count();
    assert_eq!((of(Tone::Step), of(Tone::Bad), of(Tone::Good)), (3, 1, 2));
}

#[test]
fn what_came_because_the_order_service_was_asked_is_told_as_such() {
    let scenario = parse("own.lab", SCENARIO).expect("a scenario");
    let told = |at| {
        let What::Begun { event, takes, .. } = begun(2, place(0, 0)) else {
            panic!("work has begun");
        };
        let observation = seen(
            20,
            "delivery-1",
            What::Begun {
                event,
                place: at,
                takes,
            },
        );
        let mut narrator = Narrator::new(&scenario, Run::Fixed, Language::English, 80);
        text(&narrator.observed(&observation, &Cast::default()))
    };
    assert!(told(None).contains("asked of the order service: "));
    assert!(!told(Some(place(0, 0))).contains("asked of"));
}
