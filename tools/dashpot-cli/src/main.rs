//! `dashpot`: see `dashpot --help`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let stack = dashpot_cli::stack::Stack::start(dashpot_cli::stack::Options {
        template: "tools/dashpot-cli/tests/fixtures/template.yaml".into(),
        ..Default::default()
    })
    .await?;
    println!("{:#?}", stack.state());
    tokio::signal::ctrl_c().await?;
    stack.stop();
    Ok(())
}
