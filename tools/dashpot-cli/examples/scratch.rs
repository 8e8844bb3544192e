//! scratch
use dashpot_cli::stack::*;
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let tenure = Tenure::take().await?.unwrap();
    let stack = Stack::start(Options { template: "/tmp/t.yaml".into(), ..Options::default() }).await?;
    tenure.announce(stack.state())?;
    dashpot_cli::shutdown::requested().await?;
    stack.stop();
    Ok(())
}
