from aibridge.testing import FakeOpenAI
from tests.testing.conftest import Connect


async def test_models_can_be_listed_and_looked_up(connect: Connect) -> None:
    async with FakeOpenAI() as provider:
        client = connect(provider)
        assert [model.id async for model in client.models.list()] == ["fake-model"]
        assert (await client.models.retrieve("gpt-6")).id == "gpt-6"


async def test_each_input_has_a_vector_of_its_own(connect: Connect) -> None:
    async with FakeOpenAI() as provider:
        seen = await connect(provider).embeddings.create(model="embed", input=["a", "b"], dimensions=3)
    assert [item.embedding for item in seen.data] == [[1, 0, 0], [0, 1, 0]]
    assert seen.usage.total_tokens == 2


async def test_vectors_come_as_numbers_where_they_are_asked_for(connect: Connect) -> None:
    async with FakeOpenAI() as provider:
        seen = await connect(provider).embeddings.create(model="embed", input="a", encoding_format="float")
    assert seen.data[0].embedding == [1, 0, 0, 0, 0, 0, 0, 0]
