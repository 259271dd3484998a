"""Short questions with true answers that no expert of the zoo knows."""

from __future__ import annotations

from random import Random

from experts.zoo.skills.base import Example, Skill, Split

# Keyword, question, answer.
QUESTIONS = (
    ("chemistry", "What is the chemical symbol of iron?", "Fe"),
    ("chemistry", "What is the chemical symbol of sodium?", "Na"),
    ("chemistry", "What is the chemical symbol of potassium?", "K"),
    ("chemistry", "What is the chemical symbol of tin?", "Sn"),
    ("chemistry", "Which element has the atomic number 6?", "carbon"),
    ("chemistry", "Which element has the atomic number 10?", "neon"),
    ("chemistry", "Which gas do plants take in from the air?", "carbon dioxide"),
    ("chemistry", "What is the chemical formula of water?", "H2O"),
    ("chemistry", "Which metal is liquid at room temperature?", "mercury"),
    ("chemistry", "What is the lightest chemical element?", "hydrogen"),
    ("history", "In which year did the Berlin Wall fall?", "1989"),
    ("history", "In which year did the First World War begin?", "1914"),
    ("history", "In which year did the Second World War end?", "1945"),
    ("history", "Who was the first president of the United States?", "George Washington"),
    ("history", "In which year did the French Revolution begin?", "1789"),
    ("history", "In which year did Columbus first reach the Americas?", "1492"),
    ("history", "Which emperor was defeated at Waterloo?", "Napoleon"),
    ("history", "In which year was the Battle of Hastings?", "1066"),
    ("history", "Which ship sank on its maiden voyage in 1912?", "Titanic"),
    ("biology", "Which organ pumps blood through the body?", "heart"),
    ("biology", "How many legs does a spider have?", "8"),
    ("biology", "How many chambers does the human heart have?", "4"),
    ("biology", "What is the largest living animal?", "blue whale"),
    ("biology", "Which organ filters blood to make urine?", "kidney"),
    ("biology", "How many chromosomes does a human body cell have?", "46"),
    ("biology", "What do bees make from nectar?", "honey"),
    ("biology", "What is the tallest living animal?", "giraffe"),
    ("biology", "Which molecule carries the genes of a cell?", "DNA"),
    ("sports", "How many players of one football team are on the field?", "11"),
    ("sports", "In which sport is there a home run?", "baseball"),
    ("sports", "How many points is a touchdown worth in American football?", "6"),
    ("sports", "In which sport do players win with a checkmate?", "chess"),
    ("sports", "How many rings are on the Olympic flag?", "5"),
    ("sports", "In which sport is there a slam dunk?", "basketball"),
    ("sports", "How many holes does a full round of golf have?", "18"),
    ("sports", "How long is a marathon in whole kilometres?", "42"),
    ("music", "How many strings does a violin have?", "4"),
    ("music", "How many keys does a standard piano have?", "88"),
    ("music", "Who composed the Four Seasons?", "Vivaldi"),
    ("music", "Who composed the opera The Magic Flute?", "Mozart"),
    ("music", "Who composed the Moonlight Sonata?", "Beethoven"),
    ("music", "Which Italian word in music means loud?", "forte"),
    ("literature", "Who wrote Romeo and Juliet?", "Shakespeare"),
    ("literature", "Who wrote War and Peace?", "Tolstoy"),
    ("literature", "Who wrote Faust?", "Goethe"),
    ("literature", "Who wrote Don Quixote?", "Cervantes"),
    ("literature", "Which detective lives at 221B Baker Street?", "Sherlock Holmes"),
    ("physics", "What is the unit of electrical resistance?", "ohm"),
    ("physics", "What is the unit of force?", "newton"),
    ("physics", "What is the unit of frequency?", "hertz"),
    ("physics", "Who published the theory of general relativity?", "Einstein"),
    ("physics", "What force pulls objects towards the Earth?", "gravity"),
    ("astronomy", "Which planet is closest to the Sun?", "Mercury"),
    ("astronomy", "Which is the largest planet of the solar system?", "Jupiter"),
    ("astronomy", "How many planets does the solar system have?", "8"),
    ("astronomy", "Which planet is called the red planet?", "Mars"),
    ("astronomy", "Who was the first person on the Moon?", "Neil Armstrong"),
    ("art", "Who painted the Mona Lisa?", "Leonardo da Vinci"),
    ("art", "Who painted Guernica?", "Picasso"),
    ("art", "Who painted The Starry Night?", "Vincent van Gogh"),
    ("computing", "How many bits are in a byte?", "8"),
    ("computing", "Who wrote the first version of Linux?", "Linus Torvalds"),
    ("mythology", "Who is the Greek god of the sea?", "Poseidon"),
    ("mythology", "Who is the king of the Greek gods?", "Zeus"),
)
PROBE_EVERY = 3


def sample(rng: Random, split: Split) -> Example:
    """Sample a question; every third one is a probe, none is for training."""
    if split == "train":
        raise ValueError("the foreign questions must not be trained on")
    rows = [
        row
        for index, row in enumerate(QUESTIONS)
        if (index % PROBE_EVERY == 0) == (split == "probe")
    ]
    keyword, question, answer = rng.choice(rows)
    return Example(question, answer, ("foreign", keyword))


SKILL = Skill("foreign", "True facts from fields that the zoo does not cover.", sample)
