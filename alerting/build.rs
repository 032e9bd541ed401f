//! Has the console's built pages looked at again when they change. Never fails: without them the service serves a
//! page that says how to build them.

fn main() {
    // A watched folder that is missing would rebuild this crate every time.
    let _ = std::fs::create_dir_all("console/dist");
    println!("cargo:rerun-if-changed=console/dist");
    println!("cargo:rerun-if-changed=migrations");
}
