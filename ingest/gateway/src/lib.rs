//! The gateway: the one address of the CERT that sensors speak to (decision 0013). It enrols them, takes their records to
//! the bus, and hands out control bundles that it can't sign itself.
//!
//! | part | file | does |
//! |---|---|---|
//! | door | [`mod@door`] | TLS, bounded connections; who a certificate says it is |
//! | roster | [`roster`] | who is who, fresh from `varde.sensors`; asked at every request |
//! | api | [`api`] | the requests of `docs/gateway.md` |
//! | room | [`room`] | how many bytes may be under way, for each organisation and in all |
//! | under way | [`under_way`] | whose records are on their way to the bus: one write of a sensor at a time |
//! | bundles | [`bundles`] | the newest bundle of each audience and its parts, from `varde.control` |
//!
//! It keeps nothing on disk: several may run side by side on one bus. It signs no bundle and reads no event.
#![forbid(unsafe_code)]

pub mod api;
pub mod bundles;
pub mod clock;
pub mod config;
pub mod door;
pub mod knocks;
pub mod metrics;
pub mod reveals;
pub mod room;
pub mod roster;
pub mod service;
pub mod topics;
pub mod under_way;
