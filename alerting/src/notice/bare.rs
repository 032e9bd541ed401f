//! Notices without data: for a mail that can't be encrypted, and to try a channel.

use alerting_incident::Language;

use super::{Brief, Notice};
use crate::{config::CertSettings, state::State, store::StoredNotification};

/// The sentences of one language.
struct Words {
    outside: &'static str,
    subject: &'static str,
    greeting: &'static str,
    waits: &'static str,
    log_in: &'static str,
    call: &'static str,
    tried: &'static str,
    try_says: &'static str,
}

const fn words(language: Language) -> &'static Words {
    match language {
        Language::Nb => &Words {
            outside: "[Varde] Kryptert varsel",
            subject: "[Varde] Noe venter på deg",
            greeting: "Hei",
            waits: "Det er noe nytt til deg. Vi kan ikke skrive hva det gjelder i en vanlig e-post, fordi sertifikatet eller nøkkelen vi har for deg, ikke kan brukes.",
            log_in: "Logg inn her, eller ring oss:",
            call: "Gi oss også et nytt sertifikat eller en ny nøkkel.",
            tried: "Prøve fra Varde",
            try_says: "Dette er en prøve på at varsler når fram. Ingenting har hendt.",
        },
        Language::Nn => &Words {
            outside: "[Varde] Kryptert varsel",
            subject: "[Varde] Noko ventar på deg",
            greeting: "Hei",
            waits: "Det er noko nytt til deg. Vi kan ikkje skrive kva det gjeld i ein vanleg e-post, fordi sertifikatet eller nøkkelen vi har for deg, ikkje kan brukast.",
            log_in: "Logg inn her, eller ring oss:",
            call: "Gje oss òg eit nytt sertifikat eller ein ny nøkkel.",
            tried: "Prøve frå Varde",
            try_says: "Dette er ei prøve på at varsel når fram. Ingenting har hendt.",
        },
        Language::Se => &Words {
            outside: "[Varde] Krypterejuvvon diehtu",
            subject: "[Varde] Juoga vuordá du",
            greeting: "Bures",
            waits: "Dutnje lea boahtán juoga ođđa. Mii eat sáhte čállit dábálaš e-poasttas mas lea sáhka, danne go duođaštus dahje čoavdda mii mis lea dutnje, ii leat geavahahtti.",
            log_in: "Logge sisa dáppe, dahje riŋge midjiide:",
            call: "Atte midjiide maid ođđa duođaštusa dahje čoavdaga.",
            tried: "Geahččaleapmi Vardes",
            try_says: "Dát lea geahččaleapmi oaidnit ollejitgo váruhusat. Mihkkege ii leat dáhpáhuvvan.",
        },
        Language::En => &Words {
            outside: "[Varde] Encrypted notice",
            subject: "[Varde] Something waits for you",
            greeting: "Hello",
            waits: "There is something new for you. We can't write what it is about in plain mail, as the certificate or key that we have for you can't be used.",
            log_in: "Log in here, or call us:",
            call: "Please also give us a new certificate or key.",
            tried: "Test from Varde",
            try_says: "This is a test that notices arrive. Nothing has happened.",
        },
    }
}

/// The subject over an encrypted mail: it says nothing.
pub(crate) const fn outside(language: Language) -> &'static str {
    words(language).outside
}

/// A mail that says only that something waits. Its link opens the login and not the incident, as the mail may be read on its way.
pub(crate) fn notice(state: &State, notification: &StoredNotification) -> Notice {
    let words = words(notification.language);
    let (cert, url) = (&state.cert, format!("{}/", state.public_url));
    let lines = [
        format!("{} {},", words.greeting, notification.responder_name),
        words.waits.to_owned(),
        words.log_in.to_owned(),
        url.clone(),
        format!("{}, {}, {}", cert.name, cert.phone, cert.email),
        words.call.to_owned(),
    ];
    plain_mail(words.subject, notification.language, &lines, url)
}

/// A mail that tries the channel.
pub(crate) fn test_mail(language: Language, cert: &CertSettings) -> Notice {
    let words = words(language);
    let lines = [
        words.try_says.to_owned(),
        format!("{}, {}, {}", cert.name, cert.phone, cert.email),
    ];
    let subject = format!("ØVELSE: [Varde] {}", words.tried);
    plain_mail(&subject, language, &lines, String::new())
}

/// The same for chats and collectors.
pub(crate) fn test_brief(language: Language, cert: &CertSettings, link: String) -> Brief {
    let words = words(language);
    Brief {
        title: format!("ØVELSE: [Varde] {}", words.tried),
        lines: vec![(cert.name.clone(), words.try_says.to_owned())],
        button: words.tried.to_owned(),
        link,
        is_exercise: true,
    }
}

fn plain_mail(subject: &str, language: Language, lines: &[String], link: String) -> Notice {
    let paragraphs: String = lines
        .iter()
        .map(|line| format!("<p>{}</p>\n", escaped(line)))
        .collect();
    let subject = subject.to_owned();
    Notice {
        text: format!("{}\n", lines.join("\n\n")),
        html: format!(
            "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{}</title></head>\n<body>\n{paragraphs}</body></html>\n",
            language.as_str(),
            escaped(&subject)
        ),
        subject,
        link,
    }
}

fn escaped(text: &str) -> String {
    let plain = text.replace('&', "&amp;").replace('<', "&lt;");
    plain.replace('>', "&gt;").replace('"', "&quot;")
}
