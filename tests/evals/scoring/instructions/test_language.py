"""Languages are told by script and by common words."""

# ruff: noqa: RUF001 (other alphabets)
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.scoring.instructions.language import ALONE, COMMON, written_in

SENTENCES = {
    "en": "The cat and the dog are not in the house, but they will be there.",
    "de": "Der Hund und die Katze sind nicht im Haus, aber sie werden es sein.",
    "fr": "Le chien et le chat ne sont pas dans la maison, mais ils y seront.",
    "es": "El perro y el gato no están en la casa, pero van a estar en ella.",
    "pt": "O cão e o gato não estão em casa, mas eles vão para a casa do avô.",
    "it": "Il cane e il gatto non sono nella casa, ma sono con la nonna.",
    "fi": "Koira ja kissa eivät ole talossa, mutta ne ovat pian siellä kun on ilta.",
    "vi": "Con chó và con mèo không ở trong nhà, nhưng chúng sẽ về với tôi.",
    "sw": "Mbwa na paka hawako katika nyumba, lakini watakuwa hapo kwa siku ya kesho.",
    "ru": "Собака и кошка не в доме, но они будут там, потому что это их дом.",
    "bg": "Кучето и котката не са в къщата, но те ще бъдат там, защото това е дом.",
    "ar": "الكلب و القط ليسا في البيت لكن هذا هو المكان الذي كان من قبل.",
    "fa": "سگ و گربه در خانه نیستند اما آن ها را با خود به خانه می برد.",
    "ur": "کتا اور بلی گھر میں نہیں ہیں لیکن وہ اس کے لیے وہاں ہو گا۔",
    "hi": "कुत्ता और बिल्ली घर में नहीं हैं लेकिन वह यहाँ के लिए है।",
    "mr": "कुत्रा आणि मांजर घरात नाही पण ते तिथे आहेत असे मी म्हणतो.",
    "ne": "कुकुर र बिरालो घरमा छैन तर उनी त्यो घर मा छन् भने राम्रो हो।",
    "ko": "개와 고양이는 집에 없습니다.",
    "th": "สุนัขและแมวไม่อยู่ในบ้าน",
    "bn": "কুকুর এবং বিড়াল বাড়িতে নেই।",
    "ta": "நாயும் பூனையும் வீட்டில் இல்லை.",
    "te": "కుక్క మరియు పిల్లి ఇంట్లో లేవు.",
    "kn": "ನಾಯಿ ಮತ್ತು ಬೆಕ್ಕು ಮನೆಯಲ್ಲಿ ಇಲ್ಲ.",
    "gu": "કૂતરો અને બિલાડી ઘરમાં નથી.",
    "pa": "ਕੁੱਤਾ ਅਤੇ ਬਿੱਲੀ ਘਰ ਵਿੱਚ ਨਹੀਂ ਹਨ।",
    "ja": "犬と猫は家にいません。",
    "zh": "狗和猫不在家里。",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_in_its_language_and_in_no_other(language: str) -> None:
    found = [other for other in SENTENCES if written_in(SENTENCES[language], other)]
    assert found == [language]


@given(st.text(), st.sampled_from([*ALONE, *(one for names in COMMON.values() for one in names)]))
def test_every_text_can_be_asked_for_every_language(text: str, language: str) -> None:
    assert written_in(text, language) in (True, False)


def test_names_of_another_script_do_not_matter() -> None:
    assert written_in("개와 고양이는 Samsung 집에 없습니다.", "ko")


def test_unknown_languages_are_an_error() -> None:
    with pytest.raises(ValueError, match="xx"):
        written_in("text", "xx")
