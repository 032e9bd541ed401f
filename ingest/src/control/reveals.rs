//! Brings the centre's questions about pseudonyms to the site, and the site's answers to the centre (decision 0022).
//!
//! A question is believed by its signature, as a bundle is, and by a key that bundles can't sign with. What is not
//! believed is counted and told, once, and nobody on site is shown it.

use std::collections::BTreeSet;

use ingest_event::Timestamp;
use ingest_trust::reveal::{Question, RevealError};
use ingest_trust::wire::Reason;
use ingest_trust::{Subject, manifest};

use super::gateway::{Gateway, GatewayError};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::site::questions::{self, QuestionError, Questions};
use crate::site::reveal::Step;

/// Refused questions that are remembered, so that each is told once; after so many, they are told again.
const REFUSED_MAX: usize = 1_024;

/// What goes on between the folder of questions and the gateway.
#[derive(Debug)]
pub(super) struct Reveals {
    questions: Questions,
    metrics: Metrics,
    /// Digests of what was refused.
    refused: BTreeSet<String>,
}

impl Reveals {
    pub(super) fn at(state: &std::path::Path, metrics: Metrics) -> Self {
        Self {
            questions: Questions::at(state),
            metrics,
            refused: BTreeSet::new(),
        }
    }

    /// Asks what is asked, decides what the configuration decides, and sends what was answered. What the disk refuses is
    /// told, and tried again.
    pub(super) async fn turn(
        &mut self,
        gateway: &mut Gateway,
        config: &Config,
        now: Timestamp,
    ) -> Result<(), GatewayError> {
        let envelopes = match gateway.questions().await {
            Ok(envelopes) => envelopes,
            // A gateway of before there were questions.
            Err(GatewayError::Refused(refusal)) if refusal.status == 404 => return Ok(()),
            Err(error) => return Err(error),
        };
        let kept = self.keep(config, &envelopes, now);
        let decided = kept.and_then(|()| self.decide(config, now));
        decided.unwrap_or_else(|error| trouble(&error));
        self.send(gateway, now).await
    }

    /// Takes what is new, and forgets what is over or not asked any more.
    fn keep(&mut self, config: &Config, envelopes: &[Vec<u8>], now: Timestamp) -> Result<(), QuestionError> {
        let mut asked = BTreeSet::new();
        for envelope in envelopes {
            match believed(config, envelope, now) {
                // Another sensor of the organisation has the key, and answers.
                Ok(question) if !self.questions.are_ours(&question)? => {}
                Ok(question) => {
                    if self.questions.take(&question, now)? {
                        tracing::warn!(
                            id = question.id,
                            "the centre asks what pseudonyms stand for: `varde-sensor reveal list` shows it"
                        );
                    }
                    asked.insert(question.id);
                }
                Err(RevealError::Over) => {}
                Err(error) => self.refuse(envelope, error),
            }
        }
        let waiting = self.questions.list()?;
        let open = waiting.iter().filter(|one| one.answer.is_none());
        for question in open.map(|one| &one.question) {
            let is_over = question.until <= now;
            if is_over || !asked.contains(&question.id) {
                let step = if is_over { Step::Expired } else { Step::Withdrawn };
                self.questions.forget(question, step, now)?;
                tracing::info!(
                    id = question.id,
                    step = step.as_str(),
                    "a question is no longer asked"
                );
            }
        }
        Ok(())
    }

    fn refuse(&mut self, envelope: &[u8], error: RevealError) {
        let digest = manifest::digest(envelope);
        if REFUSED_MAX <= self.refused.len() {
            self.refused.clear();
        }
        if self.refused.insert(digest) {
            self.metrics.control.refuse_question();
            tracing::error!(
                error = format!("{:#}", anyhow::Error::new(error)),
                "a question about pseudonyms is refused: whoever asks it is not the centre, or its key is not `reveal.keys`"
            );
        }
    }

    /// Answers what needs no person; counts what does.
    fn decide(&self, config: &Config, now: Timestamp) -> Result<(), QuestionError> {
        let mut open = 0;
        for waiting in self.questions.list()? {
            if waiting.answer.is_some() {
                continue;
            }
            let Some((approved, why)) = questions::decided(&config.reveal, &waiting.question) else {
                open += 1;
                continue;
            };
            let (id, by) = (&waiting.question.id, questions::CONFIGURATION);
            match self.questions.answer(config, id, approved, (by, why), now) {
                // A person was quicker.
                Ok(_) | Err(QuestionError::Answered(_) | QuestionError::None(_)) => {
                    tracing::warn!(
                        id,
                        approved,
                        "a question of the centre is answered by the configuration"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        self.metrics.control.questions_wait(open);
        Ok(())
    }

    /// Sends answers until the centre has them.
    async fn send(&self, gateway: &mut Gateway, now: Timestamp) -> Result<(), GatewayError> {
        let waiting = match self.questions.list() {
            Ok(waiting) => waiting,
            Err(error) => {
                trouble(&error);
                return Ok(());
            }
        };
        for one in waiting {
            let Some(answer) = &one.answer else { continue };
            let step = match gateway.answer(answer).await {
                Ok(()) => Step::Told,
                Err(error) if matches!(error.reason(), Some(Reason::Forbidden | Reason::Body)) => {
                    let detail = error.to_string();
                    tracing::error!(id = answer.id, detail, "the centre does not take an answer");
                    Step::Late
                }
                Err(error) => return Err(error),
            };
            if let Err(error) = self.questions.forget(&one.question, step, now) {
                trouble(&error);
            }
        }
        Ok(())
    }
}

fn believed(config: &Config, envelope: &[u8], now: Timestamp) -> Result<Question, RevealError> {
    let question = Question::open(envelope, &config.reveal.keys)?;
    let subject = Subject {
        organization: config.context.organization,
        sensor: config.context.sensor.clone(),
    };
    question.is_for(&subject, now)?;
    Ok(question)
}

fn trouble(error: &QuestionError) {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, "keep the centre's questions; trying again");
}
