"""Whether a text is in a language: by its script, and by common words where scripts are shared.

Pure. Not told apart: Danish from Norwegian, Croatian from Serbian in Latin letters, and any
language that is not listed from the listed one that it shares most words with.
"""

import re
from collections import Counter

LEAST_SHARE = 0.5
"""Of the letters, how many must be of the language's script: names and terms may be of another."""

SCRIPTS: dict[str, tuple[tuple[int, int], ...]] = {
    "latin": ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)),
    "greek": ((0x370, 0x3FF), (0x1F00, 0x1FFF)),
    "cyrillic": ((0x400, 0x52F),),
    "hebrew": ((0x590, 0x5FF),),
    "arabic": ((0x600, 0x6FF), (0x750, 0x77F), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF)),
    "devanagari": ((0x900, 0x97F),),
    "bengali": ((0x980, 0x9FF),),
    "gurmukhi": ((0xA00, 0xA7F),),
    "gujarati": ((0xA80, 0xAFF),),
    "tamil": ((0xB80, 0xBFF),),
    "telugu": ((0xC00, 0xC7F),),
    "kannada": ((0xC80, 0xCFF),),
    "malayalam": ((0xD00, 0xD7F),),
    "thai": ((0xE00, 0xE7F),),
    "hangul": ((0x1100, 0x11FF), (0xAC00, 0xD7AF)),
    "kana": ((0x3040, 0x30FF),),
    "han": ((0x3400, 0x4DBF), (0x4E00, 0x9FFF)),
}
"""The blocks of Unicode in which each script stands."""

ALONE = {
    "el": "greek", "he": "hebrew", "bn": "bengali", "pa": "gurmukhi", "gu": "gujarati",
    "ta": "tamil", "te": "telugu", "kn": "kannada", "ml": "malayalam", "th": "thai",
    "ko": "hangul",
}  # fmt: skip
"""Languages that are the only listed one of their script."""

COMMON: dict[str, dict[str, str]] = {
    "latin": {
        "en": "the of and to in is that for it with as was on are be this by at from or an not you"
        " we have they can will your my i which their has but if all he she his her",
        "de": "der die das und ist in den von zu mit sich des auf für nicht ein eine als auch es an"
        " dem im ich wir sie er war sind wird bei oder aus nach wie einen einer haben kann",
        "fr": "le la les de des et est un une dans que qui pour pas sur au avec ce il elle nous vous"
        " je ne se sont plus par du en cette ou mais son sa ses être aux",
        "es": "el la los las de y en que es un una por con para no se del al lo como más su sus pero"
        " este esta son fue ha o si yo me mi muy también",
        "pt": "o a os as de e em que é um uma por com para não se do da dos das no na ao como mais"
        " seu sua mas este esta são foi ou eu me você também muito pelo pela",
        "it": "il lo la i gli le di e in che è un una per con non si del della dei delle al alla come"
        " più suo sua ma questo questa sono nel nella o anche io mi ha",
        "nl": "de het een en van in is dat op te zijn met voor niet aan er om ook als bij naar door"
        " maar ik je wij ze was worden wordt heeft uit deze dit",
        "sv": "och att det i en är som på av för med den till inte ett om har jag de var så vi men kan"
        " från eller ska när mycket",
        "da": "og at det i en er som på af for med den til ikke et om har jeg de var så vi men kan fra"
        " eller skal når meget",
        "fi": "ja on ei se että oli hän olla joka mutta ovat kun niin kuin tai myös sen mitä minä sinä"
        " voi jos ne tämä tämän olen sitä hyvin",
        "pl": "i w na z się nie że do jest to jak o za ale po co przez od dla są tak czy jego jej oraz"
        " być może tym który która",
        "cs": "a v se na je že s z do to jako za ale po o pro jsou tak by jeho její nebo který která"
        " být může jsem si ve",
        "tr": "ve bir bu da de için ile çok ne gibi o daha ama olarak var olan en kadar ben sen biz"
        " mi değil ya her sonra",
        "vi": "và của là có trong cho không được một những với các này đã người khi để từ như tôi bạn"
        " cũng sẽ về ra vào làm nhiều",
        "sw": "na ya wa kwa ni katika la za cha kuwa hii hiyo au kama yake wake yao hilo huu watu pia"
        " sana lakini kila mtu siku ili vya hivyo wetu yetu",
        "id": "dan yang di ini itu dengan untuk dari pada dalam adalah tidak akan ke saya anda kami"
        " mereka ada juga atau oleh bisa dapat sebagai",
        "ro": "și în de la cu pe nu este un o care pentru din sunt mai ca dar sau fi a al ale prin"
        " acest această foarte eu",
        "hu": "a az és hogy nem is egy van de ez meg már csak azt volt vagy mint ha el én ő lesz"
        " nagyon lehet ki",
    },
    "cyrillic": {
        "ru": "и в не на что я с он как это по но они мы она из за то все его к у от для так же о вы"
        " был была было или если только может быть который",
        "bg": "и в не на че се с той като това по но те ние тя от за да са е си ще към му при или ако"
        " само може който която беше много съм",
        "uk": "і в не на що я з він як це по але вони ми вона із за та все його до у від для так же"
        " ви був була було або якщо тільки може бути який є",
    },
    "arabic": {
        "ar": "في من على إلى أن هذا هذه التي الذي كان لا ما مع عن هو هي أو كل قد لم بعد ذلك بين كما"
        " و يا ثم إن",
        "fa": "و در به از که این است را با برای آن یک هم تا بر می شود ها بود شده خود کرد من ما اما"
        " یا باید نیز هر های دارد",
        "ur": "کے کی ہے میں اور سے کا کو نے ہیں کہ پر یہ وہ ایک بھی ہو تھا اس ان نہیں تو کر لئے لیے"
        " جو ہم آپ تھے گا",
    },
    "devanagari": {
        "hi": "है के में की और से का को पर यह हैं ने कि एक नहीं हो था भी वह तो कर लिए जो हम आप थे इस उस"
        " अपने हूँ मैं",
        "mr": "आहे आणि या ते की मध्ये एक व हे होते तो ती आहेत नाही पण त्या साठी करून होता मी आपण तर असे"
        " केले झाले काही आपल्या त्याच्या",
        "ne": "छ र को मा लाई पनि यो हो छन् गर्न भएको थियो एक तर हुन् गर्ने भने म तपाईं हामी उनी त्यो"
        " गरेको हुन्छ छैन बाट संग सँग",
    },
}  # fmt: skip
"""Script -> language -> words that are common in it, ours; the more of them, the likelier."""

_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0900-\u0D7F\u0610-\u061A\u064B-\u065F\u200c])*")


def written_in(text: str, language: str) -> bool:
    """Whether a text is in a language, of ISO 639-1, as far as its letters and words tell.

    A text without letters is in every language. Raises ValueError for a language not listed.
    """
    wanted = _script(language)
    letters = _letters(text)
    total = letters.total()
    if not total:
        return True
    if language in ("ja", "zh"):
        east = letters["kana"] + letters["han"]
        return east / total >= LEAST_SHARE and (letters["kana"] > 0.05 * east) == (language == "ja")
    if letters[wanted] / total < LEAST_SHARE:
        return False
    if language in ALONE:
        return True
    said = Counter(_WORD.findall(text.lower()))
    shares = {
        one: sum(said[word] for word in set(common.split()))
        for one, common in COMMON[wanted].items()
    }
    return shares[language] == max(shares.values())


def _script(language: str) -> str:
    if language in ALONE:
        return ALONE[language]
    if language in ("ja", "zh"):
        return "han"
    for script, languages in COMMON.items():
        if language in languages:
            return script
    raise ValueError(f"the language {language} is not known here")


def _letters(text: str) -> Counter[str]:
    """How many letters each script has in a text."""
    found: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        if not letter.isalpha() and not 0x900 <= ord(letter) <= 0xE7F:
            continue
        place = ord(letter)
        for script, blocks in SCRIPTS.items():
            if any(first <= place <= last for first, last in blocks):
                found[script] += count
                break
        else:
            found["other"] += count
    return found
