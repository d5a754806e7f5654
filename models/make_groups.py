"""Prints groups.txt: the groups of WordNet 3.0 above the 1,000 classes of ILSVRC 2012.

    apt-get install wordnet-base    # Debian's package of WordNet 3.0
    python models/make_groups.py > models/groups.txt

It reads /usr/share/wordnet/data.noun, or the file that is named.

All that is above a class by hypernyms is in the file, also what has two parents: the probability of a group is the
sum over the set of its classes, so nothing counts twice. SHOWN lists the groups that answers name. These are words
that people use for what they see; `whole`, `instrumentality` or `placental` are right and say nothing, and in WordNet
a car is a `container` and wine a `drug`.
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
DATA = Path("/usr/share/wordnet/data.noun")

SHOWN = """
n00015388 animal
n01861778 mammal
n02083346 canine
n02084071 dog
n02085374 toy dog
n02086346 toy spaniel
n02087122 hunting dog
n02087551 hound
n02089555 foxhound
n02090475 wolfhound
n02090827 greyhound
n02092468 terrier
n02093056 bullterrier
n02096756 schnauzer
n02098550 sporting dog
n02099029 retriever
n02099997 pointer
n02100399 setter
n02101108 spaniel
n02101861 springer spaniel
n02103406 working dog
n02103841 watchdog
n02104523 sheepdog
n02104882 Belgian sheepdog
n02106966 pinscher
n02107420 Sennenhunde
n02109811 sled dog
n02111626 spitz
n02112826 corgi
n02113335 poodle
n02114100 wolf
n02115335 wild dog
n02118333 fox
n02120997 feline
n02121620 cat
n02121808 domestic cat
n02124623 wildcat
n02127808 big cat
n02131653 bear
n02441326 mustelid
n02062017 aquatic mammal
n02062744 whale
n01874434 marsupial
n02324045 rabbit
n02329401 rodent
n02370806 ungulate
n02374149 equine
n02395003 swine
n02399000 ruminant
n02419796 antelope
n02469914 primate
n02470325 ape
n02480153 great ape
n02484322 monkey
n02484473 Old World monkey
n02489589 New World monkey
n02496913 lemur
n02503517 elephant
n01503061 bird
n01529672 finch
n01557185 thrush
n01604330 bird of prey
n01795088 grouse
n01816887 parrot
n01844917 aquatic bird
n01845132 waterfowl
n01846331 duck
n02000954 wading bird
n02002075 stork
n02008041 heron
n02021795 seabird
n02022684 shorebird
n02026059 sandpiper
n02153203 game bird
n01661091 reptile
n01662784 turtle
n01663401 sea turtle
n01674464 lizard
n01696633 crocodilian
n01726692 snake
n01741562 constrictor
n01752165 viper
n01754876 rattlesnake
n01627424 amphibian
n01629276 salamander
n01630284 newt
n01639765 frog
n02512053 fish
n01482330 shark
n01495701 ray
n02159955 insect
n02164464 beetle
n02274259 butterfly
n01769347 arachnid
n01772222 spider
n01974773 crustacean
n01976957 crab
n01982650 lobster
n01922303 worm
n01940736 mollusk
n12992868 fungus
n11669921 flower
n00007846 person
n00021265 food
n07557434 dish
n07695965 sandwich
n07609840 dessert
n07611358 frozen dessert
n07679356 bread
n07810907 condiment
n07829412 sauce
n07881800 beverage
n07884567 alcoholic drink
n07705711 produce
n07707451 vegetable
n07715561 squash
n13134947 fruit
n07705931 edible fruit
n07747055 citrus fruit
n04524313 vehicle
n02686568 aircraft
n04530566 watercraft
n02858304 boat
n04194289 ship
n04552696 warship
n04128837 sailing vessel
n04128499 sailboat
n03764276 military vehicle
n04235291 sled
n02834778 bicycle
n02959942 railcar
n03684823 locomotive
n03484083 handcart
n04543158 wagon
n02970849 cart
n04464852 tracked vehicle
n03791235 motor vehicle
n02958343 car
n04490091 truck
n04520170 van
n04019101 public transport
n02924116 bus
n03800933 musical instrument
n03614532 keyboard instrument
n03928116 piano
n03915437 percussion instrument
n04338517 stringed instrument
n03467517 guitar
n04586932 wind instrument
n02891788 brass instrument
n04598582 woodwind
n03405725 furniture
n02766320 baby bed
n02933112 cabinet
n04161981 seat
n03001627 chair
n04379243 table
n03051540 clothing
n03419014 garment
n03057021 coat
n03815615 necktie
n04097866 robe
n04143897 scarf
n04230808 skirt
n04370048 sweater
n04371563 swimsuit
n03502509 headdress
n02954340 cap
n03497657 hat
n03513137 helmet
n03380867 footwear
n04199027 shoe
n02739668 armor
n02773037 bag
n02801938 basket
n02883344 box
n02876657 bottle
n03593526 jar
n03603722 jug
n03880531 pan
n03438257 drinking glass
n03621049 kitchen utensil
n03101986 cookware
n04381994 tableware
n03133538 crockery
n02880940 bowl
n02729837 appliance
n03528263 home appliance
n03620052 kitchen appliance
n03862676 oven
n03278248 electronic equipment
n04401088 telephone
n02942699 camera
n03614007 keyboard
n03699975 machine
n03082979 computer
n03918480 personal computer
n03985232 portable computer
n04451818 tool
n03489162 hand tool
n03154446 cutting implement
n03623556 knife
n03997484 power tool
n04565375 weapon
n03467984 gun
n03343853 firearm
n04437953 timepiece
n03046257 clock
n04438304 timer
n03733925 measuring instrument
n03739693 medical instrument
n03852280 optical instrument
n04608567 writing implement
n03906997 pen
n03323703 fastener
n03682487 lock
n03636248 lamp
n03309808 fabric
n04459362 towel
n03964744 toy
n04447443 toiletry
n03414162 game equipment
n02778669 ball
n04285146 sports equipment
n04341686 structure
n02796623 barrier
n03327234 fence
n02898711 bridge
n02913152 building
n03953416 place of worship
n04417809 theater
n03259505 dwelling
n03743902 monument
n04105068 roof
n04202417 shop
n09287968 geological formation
n09359803 mountain
n09433442 shore
"""

HEADER = """\
# The groups above the 1,000 classes of ILSVRC 2012: WordNet 3.0's hypernyms. Made by make_groups.py.
# A line: id, ids of its parents parted by commas (- for none), and for a group a mark (* is shown in answers, - is
# not) and its name. Parents stand above their children.
#
# From WordNet 3.0, under its licence:
#
"""


def read_wordnet(path):
    """The licence, and for each noun's id its names and the ids of its hypernyms."""
    licence, nouns = [], {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            licence.append(line.strip().partition(" ")[2])
            continue
        # wndb(5WN): offset, file, type, number of words (hexadecimal), words with ids, number of pointers, pointers.
        fields = line.split(" | ")[0].split()
        words = int(fields[3], 16)
        names = [name.replace("_", " ") for name in fields[4 : 4 + 2 * words : 2]]
        at = 5 + 2 * words
        pointers = zip(fields[at::4], fields[at + 1 :: 4], fields[at + 2 :: 4])
        parents = ["n" + offset for symbol, offset, kind in pointers if symbol in ("@", "@i") and kind == "n"]
        nouns["n" + fields[0]] = (names, parents)
    return licence, nouns


def in_order(classes, nouns):
    """All that is above the classes, and the classes, parents before children."""
    depths = {}

    def depth(noun):
        if noun not in depths:
            depths[noun] = 1 + max(map(depth, nouns[noun][1]), default=0)
        return depths[noun]

    for noun in classes:
        depth(noun)
    groups = [noun for noun in depths if noun not in classes]
    return sorted(groups, key=lambda noun: (depths[noun], noun)) + list(classes)


def make(data):
    licence, nouns = read_wordnet(data)
    synsets = (FOLDER / "synset_words.txt").read_text(encoding="utf-8").splitlines()
    classes = dict.fromkeys(line.split()[0] for line in synsets)
    shown = dict(line.split(" ", 1) for line in SHOWN.strip().splitlines())
    assert len(set(shown.values())) == len(shown), "two groups have one name"
    lines = [f"# {line}".rstrip() for line in licence]
    for noun in in_order(classes, nouns):
        names, parents = nouns[noun]
        line = f"{noun} {','.join(parents) or '-'}"
        if noun not in classes:
            name = shown.pop(noun, None)
            assert name is None or name in names, f"{noun} is not called {name}, but {names}"
            line += f" * {name}" if name else f" - {names[0]}"
        lines.append(line)
    assert not shown, f"no class is below {shown}"
    return HEADER + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(make(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA))
