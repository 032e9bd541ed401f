//! `next_cursor` of a list, which whoever asks passes on as it is: where the next part begins.

use alerting_incident::IncidentId;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ingest_event::Timestamp;

use super::places::Places;
use crate::store::{Place, Total};

pub(super) fn write(places: &Places, place: &Place) -> String {
    let text = match place {
        Place::Listed(updated, id) => format!("{}.{id}", updated.as_nanos()),
        // A number tells how many incidents there are of others: whoever may not know sees it sealed.
        Place::Found(number, total) => {
            let more = if total.is_exact { "" } else { "+" };
            format!("q.{}.{}{more}", places.write(*number), total.count)
        }
    };
    URL_SAFE_NO_PAD.encode(text)
}

pub(super) fn read(places: &Places, cursor: &str) -> Option<Place> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    if let Some(found) = text.strip_prefix("q.") {
        let (number, total) = found.split_once('.')?;
        let count = total.trim_end_matches('+').parse().ok()?;
        let is_exact = !total.ends_with('+');
        return Some(Place::Found(places.read(number)?, Total { count, is_exact }));
    }
    let (nanos, id) = text.split_once('.')?;
    Some(Place::Listed(
        Timestamp::from_nanos(nanos.parse().ok()?),
        IncidentId::parse(id)?,
    ))
}
