"""The whole road on one control: deploy, promote, configure, roll back."""

from pathlib import Path

from seatrial.contract.evidence.statements import Verb
from seatrial.contract.switch.api import GenerationState
from seatrial.kit.database.database import Database
from tests.contract.making import release
from tests.control.promotions.line import Line, wait


def test_an_agent_travels_to_production_and_back(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        first, second = release(prompt="one"), release(prompt="two")
        one = await line.promoted(first)
        two = await line.promoted(second)
        assert [one.generation, two.generation] == [1, 2]
        assert two.agents == {"support": "support@2"}
        back = await line.switched(await line.proposed("production", Verb.ROLLBACK))
        assert back.state is GenerationState.COMMITTED
        assert back.agents == {"support": "support@1"}
        assert back.generation == 3

    wait(main())
