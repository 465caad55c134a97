//! The order of texts in MySQL's collation `utf8mb4_general_ci`, for SQLite: pages that are sorted by a text are the same on
//! both stacks.
//!
//! The collation gives each character of the basic plane a weight, which is a character itself: most weigh themselves, letters
//! that differ only in case or accents weigh the same, and characters above the basic plane weigh U+FFFD. A text that ends is
//! continued with spaces. The weights below are those that MariaDB tells with `weight_string`; a test compares all of them.

use std::cmp::Ordering;
use std::sync::LazyLock;

/// The collation's name, in SQL.
pub(super) const NAME: &str = "utf8mb4_general_ci";

/// How many characters the basic plane has.
const BASIC: usize = 1 << 16;
/// The weight of every character above the basic plane.
const ABOVE: u16 = 0xFFFD;
/// The weight of what follows a text's end.
const SPACE: u16 = 0x20;

static WEIGHTS: LazyLock<Box<[u16]>> = LazyLock::new(weights);

/// Compares two texts.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let weights = &**WEIGHTS;
    let weight = |c: char| weights.get(c as usize).copied().unwrap_or(ABOVE);
    let (mut one, mut other) = (one.chars().map(weight), other.chars().map(weight));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (one, other) => match one.unwrap_or(SPACE).cmp(&other.unwrap_or(SPACE)) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

fn weights() -> Box<[u16]> {
    let mut weights: Box<[u16]> = (0..BASIC).map(|c| c as u16).collect();
    for (first, last, step, change) in RUNS {
        for c in (first..=last).step_by(step) {
            weights[usize::from(c)] = c.wrapping_add_signed(change);
        }
    }
    for (weight, letters) in LETTERS {
        for c in letters.chars() {
            weights[c as usize] = weight as u16;
        }
    }
    weights
}

/// Runs of characters: the first, the last, the step between two, and what is added to each for its weight.
#[rustfmt::skip]
const RUNS: [(u16, u16, usize, i16); 13] = [
    (0x0061, 0x007A, 1, -32),
    (0x03B1, 0x03C1, 1, -32),
    (0x03C3, 0x03C9, 1, -32),
    (0x03DB, 0x03EF, 2, -1),
    (0x0430, 0x044F, 1, -32),
    (0x0452, 0x045A, 2, -80),
    (0x0461, 0x0475, 2, -1),
    (0x0479, 0x0481, 2, -1),
    (0x048D, 0x04BF, 2, -1),
    (0x0561, 0x0586, 1, -48),
    (0x2170, 0x217F, 1, -16),
    (0x24D0, 0x24E9, 1, -26),
    (0xFF41, 0xFF5A, 1, -32),
];

/// Weights, each with the other characters that have it.
#[rustfmt::skip]
const LETTERS: [(char, &str); 129] = [
    ('A', "ÀÁÂÃÄÅàáâãäåĀāĂăĄąǍǎǞǟǠǡǺǻȀȁȂȃȦȧḀḁẠạẢảẤấẦầẨẩẪẫẬậẮắẰằẲẳẴẵẶặ"),
    ('B', "ḂḃḄḅḆḇ"),
    ('C', "ÇçĆćĈĉĊċČčḈḉ"),
    ('D', "ĎďḊḋḌḍḎḏḐḑḒḓ"),
    ('E', "ÈÉÊËèéêëĒēĔĕĖėĘęĚěȄȅȆȇȨȩḔḕḖḗḘḙḚḛḜḝẸẹẺẻẼẽẾếỀềỂểỄễỆệ"),
    ('F', "Ḟḟ"),
    ('G', "ĜĝĞğĠġĢģǦǧǴǵḠḡ"),
    ('H', "ĤĥȞȟḢḣḤḥḦḧḨḩḪḫẖ"),
    ('I', "ÌÍÎÏìíîïĨĩĪīĬĭĮįİıǏǐȈȉȊȋḬḭḮḯỈỉỊị"),
    ('J', "Ĵĵǰ"),
    ('K', "ĶķǨǩḰḱḲḳḴḵ"),
    ('L', "ĹĺĻļĽľḶḷḸḹḺḻḼḽ"),
    ('M', "ḾḿṀṁṂṃ"),
    ('N', "ÑñŃńŅņŇňǸǹṄṅṆṇṈṉṊṋ"),
    ('O', "ÒÓÔÕÖòóôõöŌōŎŏŐőƠơǑǒǪǫǬǭȌȍȎȏȪȫȬȭȮȯȰȱṌṍṎṏṐṑṒṓỌọỎỏỐốỒồỔổỖỗỘộỚớỜờỞởỠỡỢợ"),
    ('P', "ṔṕṖṗ"),
    ('R', "ŔŕŖŗŘřȐȑȒȓṘṙṚṛṜṝṞṟ"),
    ('S', "ßŚśŜŝŞşŠšſȘșṠṡṢṣṤṥṦṧṨṩẛ"),
    ('T', "ŢţŤťȚțṪṫṬṭṮṯṰṱẗ"),
    ('U', "ÙÚÛÜùúûüŨũŪūŬŭŮůŰűŲųƯưǓǔǕǖǗǘǙǚǛǜȔȕȖȗṲṳṴṵṶṷṸṹṺṻỤụỦủỨứỪừỬửỮữỰự"),
    ('V', "ṼṽṾṿ"),
    ('W', "ŴŵẀẁẂẃẄẅẆẇẈẉẘ"),
    ('X', "ẊẋẌẍ"),
    ('Y', "ÝýÿŶŷŸȲȳẎẏẙỲỳỴỵỶỷỸỹ"),
    ('Z', "ŹźŻżŽžẐẑẒẓẔẕ"),
    ('Æ', "æǢǣǼǽ"),
    ('Ð', "ð"),
    ('Ø', "øǾǿ"),
    ('Þ', "þ"),
    ('Đ', "đ"),
    ('Ħ', "ħ"),
    ('Ĳ', "ĳ"),
    ('Ŀ', "ŀ"),
    ('Ł', "ł"),
    ('Ŋ', "ŋ"),
    ('Œ', "œ"),
    ('Ŧ', "ŧ"),
    ('Ɓ', "ɓ"),
    ('Ƃ', "ƃ"),
    ('Ƅ', "ƅ"),
    ('Ɔ', "ɔ"),
    ('Ƈ', "ƈ"),
    ('Ɖ', "ɖ"),
    ('Ɗ', "ɗ"),
    ('Ƌ', "ƌ"),
    ('Ǝ', "ǝ"),
    ('Ə', "ə"),
    ('Ɛ', "ɛ"),
    ('Ƒ', "ƒ"),
    ('Ɠ', "ɠ"),
    ('Ɣ', "ɣ"),
    ('Ɩ', "ɩ"),
    ('Ɨ', "ɨ"),
    ('Ƙ', "ƙ"),
    ('Ɯ', "ɯ"),
    ('Ɲ', "ɲ"),
    ('Ɵ', "ɵ"),
    ('Ƣ', "ƣ"),
    ('Ƥ', "ƥ"),
    ('Ʀ', "ʀ"),
    ('Ƨ', "ƨ"),
    ('Ʃ', "ʃ"),
    ('Ƭ', "ƭ"),
    ('Ʈ', "ʈ"),
    ('Ʊ', "ʊ"),
    ('Ʋ', "ʋ"),
    ('Ƴ', "ƴ"),
    ('Ƶ', "ƶ"),
    ('Ʒ', "Ǯǯʒ"),
    ('Ƹ', "ƹ"),
    ('Ƽ', "ƽ"),
    ('Ǆ', "ǅǆ"),
    ('Ǉ', "ǈǉ"),
    ('Ǌ', "ǋǌ"),
    ('Ǥ', "ǥ"),
    ('Ǳ', "ǲǳ"),
    ('Ƕ', "ƕ"),
    ('Ƿ', "ƿ"),
    ('Ȝ', "ȝ"),
    ('Ȣ', "ȣ"),
    ('Ȥ', "ȥ"),
    ('Α', "ΆάἀἁἂἃἄἅἆἇἈἉἊἋἌἍἎἏὰᾀᾁᾂᾃᾄᾅᾆᾇᾈᾉᾊᾋᾌᾍᾎᾏᾰᾱᾲᾳᾴᾶᾷᾸᾹᾺᾼ"),
    ('Β', "ϐ"),
    ('Ε', "ΈέἐἑἒἓἔἕἘἙἚἛἜἝὲῈ"),
    ('Η', "ΉήἠἡἢἣἤἥἦἧἨἩἪἫἬἭἮἯὴᾐᾑᾒᾓᾔᾕᾖᾗᾘᾙᾚᾛᾜᾝᾞᾟῂῃῄῆῇῊῌ"),
    ('Θ', "ϑ"),
    ('Ι', "\u{345}ΊΐΪίϊἰἱἲἳἴἵἶἷἸἹἺἻἼἽἾἿὶιῐῑῒῖῗῘῙῚ"),
    ('Κ', "ϰ"),
    ('Μ', "µ"),
    ('Ο', "ΌόὀὁὂὃὄὅὈὉὊὋὌὍὸῸ"),
    ('Π', "ϖ"),
    ('Ρ', "ϱῤῥῬ"),
    ('Σ', "ςϲ"),
    ('Υ', "ΎΫΰϋύὐὑὒὓὔὕὖὗὙὛὝὟὺῠῡῢῦῧῨῩῪ"),
    ('Φ', "ϕ"),
    ('Ω', "ΏώὠὡὢὣὤὥὦὧὨὩὪὫὬὭὮὯὼᾠᾡᾢᾣᾤᾥᾦᾧᾨᾩᾪᾫᾬᾭᾮᾯῲῳῴῶῷῺῼ"),
    ('ϒ', "ϓϔ"),
    ('Ѕ', "ѕ"),
    ('І', "Її"),
    ('Љ', "љ"),
    ('Ћ', "ћ"),
    ('Џ', "џ"),
    ('А', "ӐӑӒӓ"),
    ('Г', "Ѓѓ"),
    ('Е', "ЀЁѐёӖӗ"),
    ('Ж', "ӁӂӜӝ"),
    ('З', "Ӟӟ"),
    ('И', "ЍѝӢӣӤӥ"),
    ('К', "Ќќ"),
    ('О', "Ӧӧ"),
    ('У', "ЎўӮӯӰӱӲӳ"),
    ('Ч', "Ӵӵ"),
    ('Ы', "Ӹӹ"),
    ('Э', "Ӭӭ"),
    ('Ѵ', "Ѷѷ"),
    ('Ӄ', "ӄ"),
    ('Ӈ', "ӈ"),
    ('Ӌ', "ӌ"),
    ('Ӕ', "ӕ"),
    ('Ә', "әӚӛ"),
    ('Ӡ', "ӡ"),
    ('Ө', "өӪӫ"),
    ('Ά', "ά"),
    ('Έ', "έ"),
    ('Ή', "ή"),
    ('Ί', "ί"),
    ('Ύ', "ύ"),
    ('Ό', "ό"),
    ('Ώ', "ώ"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_weigh_nothing_and_ends_are_spaces() {
        for (one, other) in [
            ("radio", "RADIO"),
            ("\u{e9}t\u{e9}", "ETE"),
            ("\u{df}", "S"),
            ("\u{432}", "\u{412}"),
            ("a", "A  "),
            ("", " "),
            ("\u{1f3e0}", "\u{1f4e6}"),
        ] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one:?} {other:?}");
        }
        for (less, more) in [
            ("a", "b"),
            ("a", "B"),
            ("A", "b"),
            ("a\t", "a"),
            ("", "!"),
            ("\t", ""),
            ("z", "\u{e6}"),
            ("z", "\u{ac00}"),
            ("\u{ac00}", "\u{b098}"),
            ("\u{d558}", "\u{1f3e0}"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less:?} {more:?}");
            assert_eq!(compare(more, less), Ordering::Greater, "{more:?} {less:?}");
        }
    }

    #[test]
    fn a_weight_weighs_itself() {
        for (c, weight) in WEIGHTS.iter().enumerate() {
            assert_eq!(WEIGHTS[usize::from(*weight)], *weight, "U+{c:04X}");
        }
    }
}
