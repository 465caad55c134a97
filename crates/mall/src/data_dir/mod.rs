//! The data folder, in which the embedded log and databases are kept.
//!
//! * [`hold`]: who is using the folder; [`mall_up`]: which supervisor does.
//! * [`Folder`]: its files know each other, so that a file which is missing, cut or replaced by an older copy is noticed at
//!   the start.
//! * [`privacy`]: folder and files are for their owner alone.

mod files;
mod in_use;
mod judge;
mod keep;
mod look;
pub mod mall_up;
pub mod privacy;

pub use files::{DataFile, contents, has_log};
pub use in_use::{InUse, hold, hold_alone};
pub use judge::{Files, Loss, highest, judge};
pub use keep::{Folder, FolderKeeper};
pub use look::{FileState, FolderError, OpenFile};
pub use mall_up::MallUp;

use std::path::PathBuf;

/// Where the data folder is unless somebody says otherwise. The script of a checkout names the checkout, so that it finds
/// the same folder wherever it is called.
pub fn default_place() -> PathBuf {
    match std::env::var_os("MALL_CHECKOUT") {
        Some(checkout) if !checkout.is_empty() => PathBuf::from(checkout).join("mall-data"),
        _ => PathBuf::from("./mall-data"),
    }
}
