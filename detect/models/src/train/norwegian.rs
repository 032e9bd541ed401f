//! Names as Norwegian municipalities, schools, shops and clubs choose them, drawn from a seed.
//!
//! Made of common words and endings of place names; that a drawn name exists is chance. They stand beside ordinary
//! names of the world, which lists of popular sites hold too few Norwegian ones of, and alone where there is no list.

use super::random::Random;

const FIRST: [&str; 72] = [
    "berg", "bjerk", "bjorn", "bru", "dal", "drammen", "eid", "eik", "elve", "fjell", "fjord", "furu",
    "gran", "grim", "gull", "haug", "hav", "hegg", "helle", "hest", "holm", "hval", "hvit", "kalv", "kirke",
    "klepp", "kongs", "kvam", "lang", "laks", "lille", "lind", "lunde", "lyng", "malm", "mo", "myr", "nes",
    "nord", "ny", "ole", "orre", "os", "ost", "rand", "raud", "rein", "ring", "rogn", "sand", "sel", "skog",
    "skar", "sol", "solvik", "stav", "stein", "stor", "strand", "sund", "sor", "tind", "tor", "trond", "tun",
    "ulv", "vang", "varde", "vest", "vinter", "voll", "øy",
];

const LAST: [&str; 36] = [
    "anger", "bakken", "berg", "bo", "bu", "bygda", "dal", "dalen", "eid", "fjell", "fjord", "foss", "gard",
    "haugen", "heim", "holmen", "jord", "land", "lia", "lund", "marka", "moen", "nes", "neset", "rud",
    "sand", "set", "stad", "strand", "sund", "tangen", "um", "vagen", "vik", "vika", "voll",
];

const TRADE: [&str; 64] = [
    "advokat",
    "apotek",
    "arkitekt",
    "auto",
    "bad",
    "bakeri",
    "barnehage",
    "bibliotek",
    "bil",
    "blad",
    "blomster",
    "bolig",
    "brygge",
    "bunad",
    "bygg",
    "data",
    "dyreklinikk",
    "eiendom",
    "elektro",
    "energi",
    "fiber",
    "fisk",
    "foto",
    "frisor",
    "golf",
    "gruppen",
    "handball",
    "hotell",
    "hytte",
    "idrettslag",
    "invest",
    "kajakk",
    "kommune",
    "kraft",
    "kultur",
    "legesenter",
    "mat",
    "museum",
    "musikk",
    "nett",
    "nytt",
    "optikk",
    "radio",
    "regnskap",
    "reiser",
    "renhold",
    "revisjon",
    "ror",
    "skole",
    "sparebank",
    "sport",
    "svomming",
    "tannlege",
    "taxi",
    "teater",
    "transport",
    "trykk",
    "turlag",
    "ungdomsskole",
    "varme",
    "vei",
    "vekst",
    "verksted",
    "videregaende",
];

/// Draws `count` labels.
pub(crate) fn labels(seed: u64, count: usize) -> Vec<String> {
    let mut random = Random::part(seed, 0x6e6f);
    (0..count).map(|_| label(&mut random)).collect()
}

fn label(random: &mut Random) -> String {
    let place = |random: &mut Random| format!("{}{}", random.word(&FIRST), random.word(&LAST));
    match random.below(8) {
        0 | 1 => place(random),
        2 => format!("{}kommune", place(random)),
        3 | 4 => format!("{}{}", place(random), random.word(&TRADE)),
        5 => format!("{}-{}", place(random), random.word(&TRADE)),
        6 => format!("{}{}", random.word(&TRADE), random.word(&TRADE)),
        _ => format!(
            "{}{}{}",
            random.word(&FIRST),
            random.word(&TRADE),
            random.between(1, 99)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Label;

    #[test]
    fn names_can_be_judged_and_are_drawn_again() {
        let drawn = labels(7, 500);
        assert_eq!(drawn, labels(7, 500));
        assert!(
            drawn
                .iter()
                .filter(|label| Label::of_label(label).is_some())
                .count()
                > 480
        );
    }
}
