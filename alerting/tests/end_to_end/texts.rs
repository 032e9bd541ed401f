//! What a mail says by kind of incident and language, as a mail library reads it off a real listener.

use alerting::{clock, config::Config};

use crate::{
    STAVANGER,
    service::{Alerts, Mail, Service},
};

const KARASJOK: &str = "963376030";

const RESPONDERS: &str = "organizations:\n\
    - { number: '964965226', responders: [{ name: Vakta i Stavanger, email: vakt@stavanger.example }] }\n\
    - { number: '964338531', responders: [{ name: Watch, email: watch@bergen.example, language: en }] }\n\
    - { number: '963376030', responders: [{ name: Fákta Kárášjogas, email: fakta@karasjok.example, language: se }] }\n";

/// What is configured besides.
fn configured(folder: &std::path::Path, more: &str) -> Config {
    std::fs::write(folder.join("responders.yml"), RESPONDERS).expect("written");
    let file = folder.join("alerting.yml");
    let text = std::fs::read_to_string(&file).expect("readable") + more;
    std::fs::write(&file, text).expect("written");
    Config::read(&file).expect("a configuration")
}

fn to<'m>(mails: &'m [Mail], address: &str) -> &'m Mail {
    let found = mails.iter().find(|mail| mail.to == address);
    found.expect("a mail to them")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_northern_sami_contact_reads_their_own_language_and_every_letter_of_it() {
    let service = Service::steered(clock::machine(), |folder| configured(folder, "")).await;
    let alert = || {
        Alerts::new(KARASJOK)
            .summary("Noen kartlegger nettet.")
            .tags(&["attack.t1046"])
    };
    service
        .publish(&[alert().make(1), alert().entity("2001:db8::5").exercise().make(2)])
        .await;
    let mails = service.mails(2).await;
    let (real, exercise): (Vec<_>, Vec<_>) = mails
        .iter()
        .partition(|mail| !mail.subject.contains("HÁRJEHALLAN"));
    let (real, exercise) = (real[0], exercise[0]);
    assert_eq!(real.to, "fakta@karasjok.example");
    assert!(
        real.subject.contains("Alla: Noen kartlegger nettet") && real.subject.ends_with("(Kárášjohka)"),
        "{}",
        real.subject
    );
    for letter in ["á", "č", "đ", "ŋ", "š", "ŧ", "ž"] {
        assert!(
            real.text.to_lowercase().contains(letter) || letter == "ŧ",
            "{letter} in {}",
            real.text
        );
    }
    for part in [
        "Bures, Fákta Kárášjogas",
        "Fierpmádaga kárten",
        "Soames geahččala gávnnahit makkár dihtorat ja bálvalusat dis leat.",
        // What the rule says first, only in Bokmål, stands beside it.
        "Jearret iežadet olbmuin ja fállis",
        "Koble maskinen fra nettet.",
        "Jus dárbbašehpet veahki dakkaviđe, de riŋgejehket:",
        "information-gathering: scanner",
    ] {
        assert!(real.text.contains(part), "{part} in {}", real.text);
        assert!(real.html.contains(part), "{part} in {}", real.html);
    }
    assert!(real.html.contains("<html lang=\"se\">"), "{}", real.html);
    assert!(real.html.contains("<h1 lang=\"nb\""), "{}", real.html);
    assert!(real.raw.contains("Content-Language: se"), "{}", real.raw);
    assert!(!real.text.contains("ØVELSE"), "{}", real.text);
    assert!(
        exercise.subject.starts_with("HÁRJEHALLAN (ØVELSE): ")
            && exercise.text.contains("ii leat duohta dáhpáhus"),
        "{}",
        exercise.text
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_letters_of_every_language_of_the_north_come_through_whole() {
    let service = Service::steered(clock::machine(), |folder| configured(folder, "")).await;
    let text = "Á á Č č Đ đ Ŋ ŋ Š š Ŧ ŧ Ž ž Æ æ Ø ø Å å";
    service
        .publish(&[Alerts::new(KARASJOK).summary(text).make(1)])
        .await;
    let mail = service.mails(1).await.remove(0);
    for place in [&mail.subject, &mail.text, &mail.html] {
        assert!(place.contains(text), "{place}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_writes_takes_the_place_of_one_text_in_one_language() {
    let service = Service::steered(clock::machine(), |folder| {
        let templates = folder.join("templates");
        std::fs::create_dir(&templates).expect("made");
        let own = "[scanner.what]\nNoen leter hos {{ organization }} <b>{{ thing }}</b>.\n";
        std::fs::write(templates.join("nb.txt"), own).expect("written");
        configured(folder, &format!("templates: {}\n", templates.display()))
    })
    .await;
    let alert = |number, tags: &[&str]| {
        Alerts::new(STAVANGER)
            .entity(&format!("2001:db8::{number}"))
            .tags(tags)
            .make(number)
    };
    service
        .publish(&[
            alert(1, &["attack.t1046"]),
            alert(2, &["attack.t1110.001"]),
            Alerts::new(crate::BERGEN).tags(&["attack.t1046"]).make(3),
        ])
        .await;
    let mails = service.mails(3).await;
    let about = |thing: &str| {
        let found = mails.iter().find(|mail| mail.subject.contains(thing));
        found.expect("a mail about it")
    };
    let own = about("2001:db8::1");
    assert!(
        own.text
            .contains("Noen leter hos Stavanger kommune <b>2001:db8::1</b>."),
        "{}",
        own.text
    );
    assert!(
        own.html.contains("&lt;b&gt;2001:db8::1&lt;&#x2f;b&gt;") && !own.html.contains("<b>2001"),
        "{}",
        own.html
    );
    assert!(about("2001:db8::2").text.contains("Noen prøver mange passord."));
    let other = to(&mails, "watch@bergen.example");
    assert!(
        other.text.contains("Scanning of the network") && !other.text.contains("Stavanger"),
        "{}",
        other.text
    );
    service.stop().await;
}
