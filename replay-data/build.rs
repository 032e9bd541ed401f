//! Tells cargo to embed again when a case is added, not only when one is changed.

fn main() {
    println!("cargo::rerun-if-changed=cases");
}
