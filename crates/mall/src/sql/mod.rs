//! sql
pub fn run(_storage: &crate::config::Storage, _statement: &str) -> anyhow::Result<crate::exit::Exit> {
    anyhow::bail!("no sql")
}
