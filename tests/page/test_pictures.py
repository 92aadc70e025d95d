import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.fakes.pictures import BLUE, RED, Colour, png
from tests.page.browser import ask, choose, wait_for_end
from tests.page.standin import StandIn, model
from tests.page.streams import END, Painting

pytestmark = pytest.mark.browser

# The colour in the middle of a picture, as the browser drew it.
MIDDLE = """image => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d");
  context.drawImage(image, image.naturalWidth / 2, image.naturalHeight / 2, 1, 1, 0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}"""
GONE = """url => new Promise((end) => {
  Object.assign(new Image(), { src: url, onload: () => end(false), onerror: () => end(true) });
})"""
DECODED = "image => image.decode().then(() => image.naturalWidth)"


@pytest.fixture
def painter(page: Page, proxy: StandIn) -> Page:
    """The page with an image model chosen."""
    models = [model("smollm2", default_for=["text"]), model("shapes", type=["image", "edit"], default_for=["image"])]
    proxy.events().event({"models": models}, "models")
    choose(page, "shapes")
    return page


def picture(page: Page) -> Locator:
    """The picture of the newest turn."""
    return page.locator("article").last.locator("figure:not(.preview) img")


def preview(page: Page) -> Locator:
    return page.locator("article").last.locator("figure.preview img")


def shows(image: Locator, colour: Colour) -> bool:
    expect(image).to_be_visible()
    image.evaluate(DECODED)
    drawn = image.evaluate(MIDDLE)
    return bool(drawn == list(colour))


def painted(page: Page, proxy: StandIn, prompt: str = "a red square") -> Painting:
    ask(page, prompt)
    painting = proxy.painting()
    painting.complete(png(), seed=1234, num_inference_steps=20)
    wait_for_end(page)
    return painting


def test_what_is_typed_to_an_image_model_makes_a_picture(painter: Page, proxy: StandIn) -> None:
    painting = painted(painter, proxy)
    assert painting.path == "/v1/images/generations"
    wanted = {"model": "shapes", "prompt": "a red square", "stream": True, "progress": True, "partial_images": 2}
    assert painting.request == wanted
    assert shows(picture(painter), RED)
    expect(picture(painter)).to_have_attribute("alt", "a red square")
    expect(painter.locator("figcaption")).to_contain_text("seed 1234 · 20 steps · 64×64")


def test_steps_and_previews_replace_each_other_until_the_picture(painter: Page, proxy: StandIn) -> None:
    ask(painter, "a red square")
    painting = proxy.painting()
    painting.step(1, 20)
    expect(painter.locator("article")).to_contain_text("step 1 of 20")
    painting.step(7, 20)
    expect(painter.get_by_role("progressbar", name="steps")).to_have_attribute("value", "7")
    painting.preview(png(colour=BLUE))
    assert shows(preview(painter), BLUE)
    painting.preview(png(colour=RED), 1)
    expect(painter.locator("figure")).to_have_count(1)
    expect(preview(painter)).to_have_attribute("alt", "preview: a red square")
    painting.complete(png())
    assert shows(picture(painter), RED)
    expect(painter.locator("figure")).to_have_count(1)
    expect(painter.get_by_role("progressbar", name="steps")).to_have_count(0)


def test_a_small_picture_is_drawn_large_and_its_pixels_stay_sharp(painter: Page, proxy: StandIn) -> None:
    painted(painter, proxy)
    box = picture(painter).bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (256, 256)
    assert picture(painter).evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"


def test_a_large_picture_fits_the_page_and_a_click_shows_all_of_it(painter: Page, proxy: StandIn) -> None:
    ask(painter, "a wide one")
    proxy.painting().complete(png(1600, 400), size="1600x400")
    expect(picture(painter)).to_be_visible()
    small = picture(painter).bounding_box()
    assert small is not None
    assert small["width"] < 1000
    picture(painter).click()
    full = painter.get_by_role("dialog", name="Full size").get_by_role("img")
    assert full.evaluate("image => image.width") == 1600
    painter.keyboard.press("Escape")
    expect(painter.get_by_role("dialog")).to_have_count(0)


def test_escape_closes_the_full_size_and_does_not_stop_the_next_picture(painter: Page, proxy: StandIn) -> None:
    painted(painter, proxy)
    ask(painter, "another")
    painting = proxy.painting()
    picture_before = painter.locator("article").first.locator("figure img")
    picture_before.click()
    expect(painter.get_by_role("dialog", name="Full size")).to_be_visible()
    painter.keyboard.press("Escape")
    expect(painter.get_by_role("dialog")).to_have_count(0)
    painting.complete(png(colour=BLUE))
    assert shows(picture(painter), BLUE)


def test_the_newest_preview_is_in_sight(painter: Page, proxy: StandIn) -> None:
    painted(painter, proxy)
    painted(painter, proxy)
    give(painter, "choose")
    ask(painter, "another")
    painting = proxy.painting()
    painting.step(1, 4)
    painting.preview(png())
    expect(preview(painter)).to_be_in_viewport(ratio=0.99)


def test_a_picture_can_be_downloaded_under_a_name_that_says_what_it_is(painter: Page, proxy: StandIn) -> None:
    painted(painter, proxy)
    with painter.expect_download() as downloading:
        painter.get_by_role("link", name="download").click()
    assert downloading.value.suggested_filename == "shapes-1234.png"
    assert Path(downloading.value.path()).read_bytes() == png()


def test_a_picture_of_many_megabytes_is_shown(painter: Page, proxy: StandIn) -> None:
    ask(painter, "a large one")
    data = png(64, 64, BLUE) + bytes(range(256)) * 40_000
    proxy.painting().complete(data)
    assert shows(picture(painter), BLUE)


@pytest.mark.parametrize("how", ["button", "key"])
def test_stop_closes_the_request_and_keeps_the_preview(painter: Page, proxy: StandIn, how: str) -> None:
    ask(painter, "a red square")
    painting = proxy.painting()
    painting.step(3, 20)
    painting.preview(png())
    expect(preview(painter)).to_be_visible()
    if how == "button":
        painter.get_by_role("button", name="stop").click()
    else:
        painter.keyboard.press("Escape")
    assert painting.was_closed()
    expect(painter.locator("article")).to_contain_text("stopped")
    expect(preview(painter)).to_be_visible()
    expect(painter.get_by_role("progressbar", name="steps")).to_have_count(0)


def test_an_error_event_is_shown_and_the_picture_can_be_asked_for_again(painter: Page, proxy: StandIn) -> None:
    ask(painter, "a red square")
    proxy.painting().fail("The device is out of memory; ask for a smaller picture.", "out_of_memory", "engine")
    expect(painter.get_by_role("alert")).to_contain_text("out of memory; ask for a smaller")
    painter.get_by_role("button", name="ask again").click()
    proxy.painting().complete(png())
    assert shows(picture(painter), RED)
    expect(painter.get_by_role("alert")).to_have_count(0)


def test_a_refusal_is_shown_with_its_cause(painter: Page, proxy: StandIn) -> None:
    proxy.refuse(400, "'size': 64x64 is all that this model draws.", "invalid_value", "engine")
    ask(painter, "a red square")
    expect(painter.get_by_role("alert")).to_contain_text("'size': 64x64 is all that this model draws.")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"b64_json": "!!"}, "its base64 cannot be read"),
        ({"b64_json": "AAAA", "output_format": "svg"}, "comes as svg, which the page does not show"),
    ],
)
def test_a_picture_that_is_none_is_told(painter: Page, proxy: StandIn, fields: dict[str, str], words: str) -> None:
    ask(painter, "a red square")
    proxy.painting().event({"type": "image_generation.completed", **fields})
    expect(painter.get_by_role("alert")).to_contain_text(words)


def test_a_stream_that_ends_without_a_picture_is_told(painter: Page, proxy: StandIn) -> None:
    ask(painter, "a red square")
    proxy.painting().send(b": the end\n\n", END)
    expect(painter.get_by_role("alert")).to_have_text("The connection closed before the picture was complete.")


def test_while_the_model_loads_the_proxys_words_are_shown_and_an_idle_comment_is_not(
    painter: Page, proxy: StandIn
) -> None:
    ask(painter, "a red square")
    painting = proxy.painting()
    painting.comment("starting: loading weights, 12 of about 45 s")
    painting.comment("keep-alive")
    expect(painter.locator(".waiting")).to_have_text("starting: loading weights, 12 of about 45 s")


def test_the_command_makes_a_picture_while_a_text_model_is_chosen(painter: Page, proxy: StandIn) -> None:
    choose(painter, "smollm2")
    ask(painter, "/image a blue circle")
    painting = proxy.painting()
    assert (painting.request["model"], painting.request["prompt"]) == ("shapes", "a blue circle")
    painting.complete(png(colour=BLUE))
    assert shows(picture(painter), BLUE)
    ask(painter, "hi")
    assert proxy.answer().request["messages"] == [{"role": "user", "content": "hi"}]


def test_the_command_leaves_out_models_that_this_box_cannot_run(page: Page, proxy: StandIn) -> None:
    sdxl = model("sdxl", "unavailable", type=["image"], default_for=["image"])
    proxy.events().event({"models": [sdxl, model("smollm2"), model("shapes", "stopped", type=["image"])]}, "models")
    ask(page, "/image a cat")
    assert proxy.painting().request["model"] == "shapes"


def test_what_is_entered_while_a_picture_is_made_waits_in_the_prompt(painter: Page, proxy: StandIn) -> None:
    ask(painter, "a red square")
    proxy.painting().step(1, 20)
    ask(painter, "/image a cat")
    expect(painter.get_by_role("status")).to_contain_text("Still answering")
    expect(painter.get_by_label("Your question")).to_have_value("/image a cat")


def test_the_command_needs_words_and_a_model(page: Page, proxy: StandIn) -> None:
    ask(page, "/image")
    expect(page.get_by_role("status")).to_contain_text("Say what to draw")
    ask(page, "/image a cat")
    expect(page.get_by_role("status")).to_contain_text("There is no model of type image.")
    expect(page.get_by_label("Your question")).to_have_value("/image a cat")
    ask(page, "/help")
    expect(page.get_by_label("Help")).to_contain_text("/image PROMPT")


FILE = {"name": "mine.png", "mimeType": "image/png", "buffer": png(colour=BLUE)}
GIVE = """([name, bytes, how]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type: name.endsWith("png") ? "image/png" : "text/plain" }));
  const event = how === "paste"
    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
  return document.getElementById("question").dispatchEvent(event);
}"""


def give(page: Page, how: str, name: str = "mine.png") -> None:
    """A picture chosen, dropped or pasted."""
    if how == "choose":
        page.get_by_label("Attach pictures").set_input_files(FILE)  # type: ignore[arg-type]
    else:
        page.evaluate(GIVE, [name, list(png(colour=BLUE)), how])


@pytest.mark.parametrize("how", ["choose", "drop", "paste"])
def test_a_picture_that_is_given_goes_along_with_the_prompt(painter: Page, proxy: StandIn, how: str) -> None:
    give(painter, how)
    expect(painter.get_by_role("list", name="Attached pictures").get_by_role("img", name="mine.png")).to_be_visible()
    ask(painter, "make it red")
    painting = proxy.painting()
    assert painting.path == "/v1/images/edits"
    assert painting.files == [("image", png(colour=BLUE))]
    fields = {"model": "shapes", "prompt": "make it red", "stream": "true", "progress": "true", "partial_images": "2"}
    assert painting.request == fields
    painting.step(1, 4)
    expect(painter.locator("article")).to_contain_text("step 1 of 4")
    painting.complete(png())
    assert shows(picture(painter), RED)
    expect(painter.locator("article").get_by_role("img", name="mine.png")).to_be_visible()
    expect(painter.get_by_role("list", name="Attached pictures")).to_have_count(0)


def test_several_pictures_go_along_and_one_can_be_taken_back(painter: Page, proxy: StandIn) -> None:
    for name in ("a.png", "b.png", "c.png"):
        give(painter, "drop", name)
    painter.get_by_role("button", name="remove b.png").click()
    ask(painter, "both")
    painting = proxy.painting()
    assert [name for name, _ in painting.files] == ["image[]", "image[]"]


def test_what_is_no_picture_is_not_taken(painter: Page) -> None:
    give(painter, "drop", "notes.txt")
    expect(painter.get_by_role("status")).to_contain_text("notes.txt is no picture that a model takes")


def test_a_text_model_takes_no_pictures(painter: Page, proxy: StandIn) -> None:
    give(painter, "choose")
    choose(painter, "smollm2")
    expect(painter.get_by_label("Attach pictures")).to_have_count(0)
    ask(painter, "what is this?")
    expect(painter.get_by_role("status")).to_contain_text("smollm2 takes no pictures")
    painter.get_by_role("button", name="remove mine.png").click()
    give(painter, "drop")
    expect(painter.get_by_role("status")).to_contain_text("smollm2 takes no pictures")
    ask(painter, "hi")
    assert proxy.answer().request["model"] == "smollm2"


def test_a_model_that_only_edits_asks_for_a_picture_first(page: Page, proxy: StandIn) -> None:
    proxy.events().event({"models": [model("pix2pix", type=["edit"])]}, "models")
    choose(page, "pix2pix")
    ask(page, "make it red")
    expect(page.get_by_role("status")).to_contain_text("pix2pix changes pictures: attach one first.")


def test_clear_forgets_pictures_too(painter: Page, proxy: StandIn) -> None:
    painted(painter, proxy)
    source = picture(painter).get_attribute("src")
    painter.keyboard.press("Control+l")
    expect(painter.locator("figure")).to_have_count(0)
    assert re.match("blob:", source or "")
    assert painter.evaluate(GONE, source)
