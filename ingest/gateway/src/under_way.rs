//! Whose records are on their way to the bus. A write goes on when its sensor no longer waits for it; until it has ended
//! there is no second one of the same sensor.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use ingest_event::SensorId;

/// Sensors with a write under way; clones share it.
#[derive(Clone, Debug, Default)]
pub struct UnderWay(Arc<Mutex<BTreeSet<SensorId>>>);

/// A write that is under way until this is dropped.
#[derive(Debug)]
pub struct Write {
    all: UnderWay,
    sensor: SensorId,
}

impl UnderWay {
    /// Begins a write of a sensor, unless one is under way.
    #[must_use]
    pub fn begin(&self, sensor: SensorId) -> Option<Write> {
        let mut sensors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = sensors.insert(sensor.clone());
        drop(sensors);
        is_first.then(|| Write {
            all: self.clone(),
            sensor,
        })
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        let mut sensors = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        sensors.remove(&self.sensor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensor_has_one_write_under_way_and_the_others_theirs() {
        let under_way = UnderWay::default();
        let [one, other] = ["s1", "s2"].map(|name| SensorId::parse(name).expect("valid"));
        let first = under_way.begin(one.clone()).expect("none is under way");
        assert!(under_way.begin(one.clone()).is_none(), "a copy");
        let theirs = under_way.begin(other).expect("another sensor");
        drop(first);
        drop((under_way.begin(one).expect("the first has ended"), theirs));
        assert!(under_way.0.lock().expect("held").is_empty());
    }
}
