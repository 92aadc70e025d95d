"""Prompts that say something, and those that do not."""

from contract.prompts import says_something


def test_a_prompt_says_something_unless_all_of_it_is_blank_which_six_characters_of_ascii_are() -> None:
    blank = {chr(code) for code in range(0x1_0000) if not says_something(chr(code))}
    assert blank == set("\t\n\v\f\r ")
    assert not says_something("")
    assert not says_something(" \n" * 9)
    assert says_something(" \n.\n")
