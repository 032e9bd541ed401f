//! Training: rows with labels → trees, by gradient boosting with the logistic loss.
//!
//! A pure function of its input: sums are of integers, so neither their order nor the processor matters, and ties go
//! to the first feature and the lowest threshold. Not for large data: all rows are in memory, and one thread works.

mod boost;
mod domains;
mod evaluate;
mod families;
mod flow_kinds;
mod flows;
mod norwegian;
mod random;
mod report;

pub use domains::{DomainTraining, Trained};
pub use evaluate::{Figures, Operating, area_under_curve, threshold_at};
pub use families::Kind;
pub use flow_kinds::FlowKind;
pub use flows::FlowTraining;
pub use report::{DomainReport, FlowReport};
