//! The producing side: records in requests of bounded size, one request at a time, so that order holds.

use std::ops::Range;
use std::sync::Arc;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::client::Uplink;
use super::codec::{self, CodecError, RECORD_HEAD_BYTES, RECORDS_MAX};
use super::{RECORDS_PATH, UplinkError};
use crate::error::{Cause, PublishError};
use crate::record::Record;
use crate::topic::{Position, Topic};

/// The largest record that is sent: what the topic of events takes.
pub const RECORD_BYTES_MAX: usize = 8 << 20;

/// What is read of an answer that says no.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Characters of a gateway's words that are kept.
const WORDS_MAX: usize = 512;

/// See [`crate::Producer`].
#[derive(Clone, Debug)]
pub struct UplinkProducer {
    uplink: Arc<Uplink>,
}

/// What a gateway says when it says no; `docs/gateway.md`.
#[derive(Deserialize)]
struct Refused {
    reason: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    record: Option<usize>,
    #[serde(default)]
    record_bytes_max: Option<usize>,
}

impl UplinkProducer {
    pub(super) fn new(uplink: Arc<Uplink>) -> UplinkProducer {
        UplinkProducer { uplink }
    }

    /// See [`crate::Producer::publish`]. A gateway does not tell places, so there are none in what is returned. Of a
    /// call that failed, records of earlier requests may be durable.
    pub async fn publish(&self, topic: &Topic, records: Vec<Record>) -> Result<Vec<Position>, PublishError> {
        let failed = |source: UplinkError| PublishError::Append {
            topic: topic.clone(),
            source: Cause::Uplink(source),
        };
        let way = way(topic).ok_or_else(|| {
            failed(UplinkError::Topic {
                topic: topic.as_str().to_owned(),
            })
        })?;
        let too_large = |index: usize, max| PublishError::TooLarge {
            topic: topic.clone(),
            index,
            bytes: records.get(index).map_or(0, Record::bytes),
            max,
        };
        if let Some(index) = records
            .iter()
            .position(|record| RECORD_BYTES_MAX < record.bytes())
        {
            return Err(too_large(index, RECORD_BYTES_MAX));
        }
        let most = self.uplink.pace().bytes();
        for range in requests(&records, most) {
            let (first, chunk) = (range.start, records.get(range).unwrap_or_default());
            let body = codec::encode(chunk).map_err(|error| failed(unfit(error, first)))?;
            let answer = self.send(way, body).await.map_err(failed)?;
            match answer {
                None => {}
                Some(Refused {
                    reason,
                    record: Some(index),
                    record_bytes_max,
                    ..
                }) if reason == "too_large" && index < chunk.len() => {
                    let index = first + index;
                    return Err(too_large(index, record_bytes_max.unwrap_or(RECORD_BYTES_MAX)));
                }
                Some(Refused {
                    reason,
                    detail,
                    record: Some(index),
                    ..
                }) if reason == "forbidden" && index < chunk.len() => {
                    return Err(failed(UplinkError::Forbidden {
                        index: first + index,
                        detail: shown(&detail),
                    }));
                }
                Some(Refused { reason, detail, .. }) => {
                    return Err(failed(UplinkError::Refused {
                        reason: shown(&reason),
                        detail: shown(&detail),
                    }));
                }
            }
        }
        Ok(Vec::new())
    }

    /// One request; `None` once all of it is durable.
    async fn send(&self, way: &str, body: Vec<u8>) -> Result<Option<Refused>, UplinkError> {
        let client = self.uplink.client().await?;
        let response = client
            .post(format!("{}{RECORDS_PATH}{way}", self.uplink.url()))
            .header(CONTENT_TYPE, "application/zstd")
            .body(body)
            .send()
            .await;
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                if error.is_timeout() && !error.is_connect() {
                    self.uplink.pace().took_too_long();
                }
                return Err(UplinkError::Request(error.without_url()));
            }
        };
        let status = response.status();
        if status == StatusCode::NO_CONTENT {
            self.uplink.pace().went_well();
            return Ok(None);
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            self.uplink.pace().took_too_long();
        }
        let text = start_of(response).await?;
        let refused = serde_json::from_slice(&text).map_err(|_| UplinkError::Answer(status.as_u16()))?;
        Ok(Some(refused))
    }
}

/// Which way a topic's records take.
fn way(topic: &Topic) -> Option<&'static str> {
    let mut words = topic.as_str().split('.');
    let (varde, kind, organization, rest) = (words.next()?, words.next()?, words.next()?, words.next());
    if varde != "varde" || organization.is_empty() || rest.is_some() {
        return None;
    }
    ["events", "quarantine"].into_iter().find(|way| *way == kind)
}

/// The records of each request of at most so many bytes, in order.
fn requests(records: &[Record], most: usize) -> Vec<Range<usize>> {
    let (mut found, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (index, record) in records.iter().enumerate() {
        let own = RECORD_HEAD_BYTES + record.bytes();
        let is_full = most < bytes + own || RECORDS_MAX <= index - start;
        if is_full && start < index {
            found.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes += own;
    }
    if start < records.len() {
        found.push(start..records.len());
    }
    found
}

fn unfit(error: CodecError, first: usize) -> UplinkError {
    let (index, what) = match error {
        CodecError::Record { index, what } => (first + index, what),
        CodecError::TooMuch => (first, "it is too large"),
        CodecError::Frame | CodecError::Format(_) | CodecError::Cut(_) => (first, "it can't be compressed"),
    };
    UplinkError::Record { index, what }
}

async fn start_of(mut response: Response) -> Result<Vec<u8>, UplinkError> {
    let mut text = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| UplinkError::Request(error.without_url()))?
    {
        text.extend_from_slice(&chunk);
        if ANSWER_BYTES_MAX < text.len() {
            text.truncate(ANSWER_BYTES_MAX);
            break;
        }
    }
    Ok(text)
}

/// Words from the network, fit for a log.
fn shown(text: &str) -> String {
    let kept = text.chars().take(WORDS_MAX);
    kept.map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::pace::REQUEST_BYTES;
    use super::*;

    #[test]
    fn a_topics_name_says_which_way() {
        for (name, expected) in [
            ("varde.events.964965226", Some("events")),
            ("varde.quarantine.964965226", Some("quarantine")),
            ("varde.quarantine", None),
            ("varde.sensors", None),
            ("varde.control.964965226", None),
            ("varde.events.964965226.x", None),
            ("other.events.964965226", None),
        ] {
            assert_eq!(way(&Topic::parse(name).expect("a name")), expected, "{name}");
        }
    }

    #[expect(clippy::single_range_in_vec_init, reason = "one request is one range")]
    #[test]
    fn requests_are_bounded_and_leave_nothing_out() {
        let of = |sizes: &[usize]| -> Vec<Record> {
            sizes
                .iter()
                .map(|size| Record::new(vec![0; *size]).with_key("k"))
                .collect()
        };
        let whole = REQUEST_BYTES - RECORD_HEAD_BYTES - 1;
        for (sizes, expected) in [
            (vec![], vec![]),
            (vec![1, 2, 3], vec![0..3]),
            (vec![whole], vec![0..1]),
            (vec![whole, 1], vec![0..1, 1..2]),
            (vec![1, RECORD_BYTES_MAX - 1, 1], vec![0..1, 1..2, 2..3]),
            (
                vec![1; 2 * RECORDS_MAX + 1],
                vec![
                    0..RECORDS_MAX,
                    RECORDS_MAX..2 * RECORDS_MAX,
                    2 * RECORDS_MAX..2 * RECORDS_MAX + 1,
                ],
            ),
        ] {
            let records = of(&sizes);
            let found = requests(&records, REQUEST_BYTES);
            assert_eq!(found, expected, "{} records", sizes.len());
            for range in found {
                assert!(codec::encode(&records[range]).is_ok());
            }
        }
    }
}
