//! reset
pub fn run(_storage: &crate::config::Storage, _yes: bool) -> anyhow::Result<crate::exit::Exit> {
    anyhow::bail!("no reset")
}
