//! Tells cargo to embed again when a rule is added, not only when one is changed.

fn main() {
    for folder in [
        "anomaly",
        "correlations",
        "indicators",
        "models",
        "routing",
        "sigma",
    ] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
