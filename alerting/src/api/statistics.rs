//! How rules and feeds fared, as people concluded.

use axum::{Json, extract::State as Shared};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, problem::Problem, who::Who};
use crate::store::Fared;

/// How rules and feeds fared.
#[derive(Serialize, ToSchema)]
pub(super) struct Conclusions {
    rules: Vec<SourceFared>,
    /// Feeds of indicators.
    feeds: Vec<SourceFared>,
}

/// How a rule or a feed fared.
#[derive(Serialize, ToSchema)]
pub(super) struct SourceFared {
    /// The rule's id or the feed's name.
    name: String,
    /// Incidents that were what it says.
    true_positive: i64,
    /// Incidents that were harmless.
    false_positive: i64,
    /// The share that was right, to the thousandth; null if nobody concluded.
    precision: Option<f64>,
}

/// Tells of each rule and feed how many incidents were right, how many harmless, and the share that was right.
///
/// Exercises are not in it, nor calls for help.
#[utoipa::path(get, path = "/api/v1/statistics/conclusions", responses((status = 200, body = Conclusions)))]
pub(super) async fn conclusions(Shared(api): Shared<Api>, _who: Who) -> Result<Json<Conclusions>, Problem> {
    let fared = api.state.store.fared().await?;
    let of = |source: &str| {
        let each = fared.iter().filter(|one| one.source == source);
        each.map(|one| SourceFared {
            name: one.name.clone(),
            true_positive: one.right,
            false_positive: one.wrong,
            precision: precision(one),
        })
        .collect()
    };
    Ok(Json(Conclusions {
        rules: of("rule"),
        feeds: of("feed"),
    }))
}

/// The share that was right, to the thousandth.
fn precision(one: &Fared) -> Option<f64> {
    let all = one.right + one.wrong;
    let thousandths = (one.right * 1_000 + all / 2).checked_div(all)?;
    u32::try_from(thousandths)
        .ok()
        .map(|share| f64::from(share) / 1_000.0)
}
