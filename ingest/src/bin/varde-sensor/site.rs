//! The commands for whoever is on site: what leaves, what was refused, what a pseudonym stands for, a new key.

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use ingest::clock::Clock;
use ingest::config::Config;
use ingest::disclose::overview;
use ingest::island::told;
use ingest::site::{keys, reveal};

use crate::questions::Asked;

/// Prints what leaves, field by field.
pub(crate) fn privacy(config: &Config, dataset: &str) -> anyhow::Result<ExitCode> {
    let keys = keys::read(&config.state)?;
    let mut out = std::io::stdout().lock();
    let key = match keys.last() {
        Some(key) => key.clone(),
        None => {
            writeln!(
                out,
                "No key is made yet: these pseudonyms are examples of an example.\n"
            )?;
            keys::SiteKey::of(0, [0; 32])
        }
    };
    overview::write(&mut config.disclosure(&key), dataset, &mut out)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints one line for each record of what was refused, then what it said.
pub(crate) fn quarantine(config: &Config) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    ingest::quarantine::read(&config.state, |kept| {
        let record = &kept.record;
        let [detail, said] = [&record.detail, &kept.raw].map(|text| shown(text));
        writeln!(
            out,
            "{} {}:{}: {}: {detail}\n    {said}",
            record.observed, record.source, record.position, record.reason
        )
    })
    .context("read what was refused")?;
    Ok(ExitCode::SUCCESS)
}

/// Prints one line for each rule and machine that was told of, an hour at a time.
pub(crate) fn alerts(config: &Config) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut ended = Ok(());
    let read = told::read(&config.state, |word| {
        let [rule, title, machine] = [&word.rule, &word.title, &word.machine].map(|text| shown(text));
        if ended.is_ok() {
            ended = writeln!(out, "{} {} {machine}: {title} ({rule})", word.at, word.severity);
        }
    });
    read.context("read what was told on site")?;
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Bytes of strangers do not move the cursor.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Makes the key of a new epoch.
pub(crate) fn rotate(config: &Config) -> anyhow::Result<ExitCode> {
    let key = keys::rotate(&config.state)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}: pseudonyms are made with it from the sensor's next start; older keys stay for revealing",
        key.id()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Reveals what pseudonyms stand for, after a person said yes; writes down that it was asked either way.
pub(crate) fn answer(config: &Config, options: Asked) -> anyhow::Result<ExitCode> {
    let mut request = match &options.request {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            let read = serde_saphyr::from_str::<reveal::Request>(&text);
            read.map_err(|error| anyhow::anyhow!("understand {}: {error}", path.display()))?
        }
        None => reveal::Request {
            pseudonyms: options.pseudonyms,
            ..reveal::Request::default()
        },
    };
    if request.asked_by.is_empty() {
        request.asked_by = ask("Who asks")?;
    }
    if request.reason.is_empty() {
        request.reason = ask("Why")?;
    }
    let (by, approved) = match (options.approve, options.refuse) {
        (Some(by), _) => (by, true),
        (None, Some(by)) => (by, false),
        (None, None) => {
            let by = ask("Your name")?;
            let asked = format!(
                "{} asks what {} stand for, because: {}. Tell it? yes or no",
                shown(&request.asked_by),
                shown(&request.pseudonyms.join(", ")),
                shown(&request.reason)
            );
            (by, ask(&asked)? == "yes")
        }
    };
    let digest = reveal::record(&config.state, &request, &by, approved, Clock::System.now())?;
    let mut out = std::io::stdout().lock();
    if !approved {
        writeln!(out, "refused; written down as {digest}")?;
        return Ok(ExitCode::FAILURE);
    }
    for answer in reveal::reveal(config, &request)? {
        if answer.stood_for.is_empty() {
            writeln!(out, "{} is not known here", shown(&answer.pseudonym))?;
        }
        for (clear, key) in answer.stood_for {
            writeln!(
                out,
                "{} is {} (key {key})",
                shown(&answer.pseudonym),
                shown(&clear)
            )?;
        }
    }
    writeln!(out, "written down as {digest}")?;
    Ok(ExitCode::SUCCESS)
}

fn ask(question: &str) -> anyhow::Result<String> {
    let mut err = std::io::stderr().lock();
    write!(err, "{question}: ")?;
    err.flush()?;
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("read the answer")?;
    Ok(line.trim().to_owned())
}
