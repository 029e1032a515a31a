"""Languages as people and browsers write them, as BCP 47 tags: ISO 639 codes of two and three letters, names in English,
Persian, Hebrew and Arabic, and the language's own."""

from __future__ import annotations

import re
from functools import lru_cache

from services.capture.domain.countries import COUNTRIES, country_code
from services.capture.domain.text import letters_only

_LANGUAGES = """
aa aar Afar|آفاری|אפארית|الأفارية|Qafar
ab abk Abkhazian|آبخازی|אבחזית|الأبخازية|Аԥсшәа
ae ave Avestan|اوستایی|אבסטן|الأفستية
af afr Afrikaans|آفریکانس|אפריקאנס|الأفريقانية
ak fat,aka,twi Akan|آکان|אקאן|الأكانية
am amh Amharic|امهری|אמהרית|الأمهرية|አማርኛ
an arg Aragonese|آراگونی|אראגונית|الأراغونية|aragonés
ar arb,ara Arabic|عربی|ערבית|العربية|Arabi
as asm Assamese|آسامی|אסאמית|الأسامية|অসমীয়া
av ava Avaric|آواری|אווארית|الأوارية
ay ayr,aym Aymara|آیمارایی|איימארית|الأيمارا
az azj,aze Azerbaijani|ترکی آذربایجانی|אזרית|الأذربيجانية|azərbaycan|Azeri|آذری|ترکی آذری
ba bak Bashkir|باشقیری|בשקירית|الباشكيرية|башҡорт теле
be bel Belarusian|بلاروسی|בלארוסית|البيلاروسية|беларуская
bg bul Bulgarian|بلغاری|בולגרית|البلغارية|български
bi bis Bislama|بیسلاما|ביסלמה|البيسلامية
bm bam Bambara|بامبارایی|במבארה|البامبارا|bamanakan
bn ben Bangla|بنگالی|בנגלית|البنغالية|বাংলা|Bengali
bo bod,tib Tibetan|تبتی|טיבטית|التبتية|བོད་སྐད་
br bre Breton|برتون|ברטונית|البريتونية|brezhoneg
bs bos Bosnian|بوسنیایی|בוסנית|البوسنية|bosanski
ca cat Catalan|کاتالان|קטלאנית|الكتالانية|català
ce che Chechen|چچنی|צ׳צ׳נית|الشيشانية|нохчийн
ch cha Chamorro|چامورویی|צ׳מורו|التشامورو
co cos Corsican|کورسی|קורסיקנית|الكورسيكية|corsu
cr cwd,cre Cree|کریایی|קרי|الكرى
cs ces,cze Czech|چکی|צ׳כית|التشيكية|čeština
cu chu Church Slavic|اسلاوی کلیسایی|סלאבית כנסייתית עתיקה|سلافية كنسية|церковнослове́нскїй
cv chv Chuvash|چوواشی|צ׳ובאש|التشوفاشي|чӑваш
cy cym,wel Welsh|ولزی|וולשית|الويلزية|Cymraeg
da dan Danish|دانمارکی|דנית|الدانمركية|dansk
de deu,ger German|آلمانی|גרמנית|الألمانية|Deutsch
dv div Divehi|دیوهی|דיבהי|المالديفية|ދިވެހިބަސް|Maldivian
dz adp,dzo Dzongkha|دزونگخا|דזונקה|دزونكا|རྫོང་ཁ
ee ewe اوه‌ای|אווה|الإيوي|eʋegbe
el ell,gre Greek|یونانی|יוונית|اليونانية|Ελληνικά|Modern Greek
en eng English|انگلیسی|אנגלית|الإنجليزية
eo epo Esperanto|اسپرانتو|אספרנטו|الإسبرانتو
es spa Spanish|اسپانیایی|ספרדית|الإسبانية|español|Castilian|castellano
et ekk,est Estonian|استونیایی|אסטונית|الإستونية|eesti
eu eus,baq Basque|باسکی|בסקית|الباسكية|euskara
fa pes,fas,per Persian|فارسی|פרסית|الفارسية|Farsi|Parsi|پارسی|زبان فارسی
ff fuc,ful Fula|فولانی|פולה|الفولانية|Pulaar
fi fin Finnish|فنلاندی|פינית|الفنلندية|suomi
fj fij Fijian|فیجیایی|פיג׳ית|الفيجية
fo fao Faroese|فارویی|פארואזית|الفاروية|føroyskt
fr fra,fre French|فرانسوی|צרפתית|الفرنسية|français
fy fry Western Frisian|فریسی غربی|פריזית מערבית|الفريزيان|Frysk
ga gle Irish|ایرلندی|אירית|الأيرلندية|Gaeilge|Gaelic
gd gla Scottish Gaelic|گیلی اسکاتلندی|גאלית סקוטית|الغيلية الأسكتلندية|Gàidhlig
gl glg Galician|گالیسیایی|גליציאנית|الجاليكية|galego
gn gug,grn Guarani|گوارانی|גוארני|الغوارانية|avañe’ẽ
gu guj,prp Gujarati|گجراتی|גוג׳ארטי|الغوجاراتية|ગુજરાતી
gv glv Manx|مانی|מאנית|المنكية|Gaelg
ha hau Hausa|هوسایی|האוסה|الهوسا
he heb Hebrew|عبری|עברית|العبرية|Ivrit
hi hin Hindi|هندی|הינדי|الهندية|हिन्दी
ho hmo Hiri Motu|موتویی هیری|הירי מוטו|الهيري موتو
hr scr,hrv Croatian|کروات|קרואטית|الكرواتية|hrvatski
ht hat Haitian Creole|هائیتیایی|קריאולית (האיטי)|الكريولية الهايتية|Kreyòl Ayisyen
hu hun Hungarian|مجاری|הונגרית|الهنغارية|magyar
hy hye,arm Armenian|ارمنی|ארמנית|الأرمنية|հայերեն
hz her Herero|هریرویی|הררו|الهيريرو
ia ina Interlingua|اینترلینگوا|‏אינטרלינגואה|اللّغة الوسيطة
id ind Indonesian|اندونزیایی|אינדונזית|الإندونيسية|Indonesia
ie ile Interlingue|اکسیدنتال|אינטרלינגה|الإنترلينج
ig ibo Igbo|ایگبویی|איגבו|الإيجبو
ii iii Sichuan Yi|یی سیچوان|סצ׳ואן יי|السيتشيون يي|ꆈꌠꉙ
ik esk,ipk Inupiaq|اینوپیک|אינופיאק|الإينبياك
io ido ایدو|אידו|الإيدو
is isl,ice Icelandic|ایسلندی|איסלנדית|الأيسلندية|íslenska
it ita Italian|ایتالیایی|איטלקית|الإيطالية|italiano
iu ike,iku Inuktitut|اینوکتیتوت|אינוקטיטוט|الإينكتيتت|ᐃᓄᒃᑎᑐᑦ
ja jpn Japanese|ژاپنی|יפנית|اليابانية|日本語
jv jav Javanese|جاوه‌ای|יאוואית|الجاوية|Jawa
ka kat,geo Georgian|گرجی|גאורגית|الجورجية|ქართული
kg kng,kon Kongo|کنگویی|קונגו|الكونغو
ki kik Kikuyu|کیکویویی|קיקויו|الكيكيو|Gikuyu
kj kua Kuanyama|کوانیاما|קואניאמה
kk kaz Kazakh|قزاقی|קזחית|الكازاخستانية|қазақ тілі
kl kal Kalaallisut|گرینلندی|גרינלנדית|الكالاليست
km khm Khmer|خمری|חמרית|الخميرية|ខ្មែរ|Cambodian
kn kan Kannada|کانارا|קנאדה|الكانادا|ಕನ್ನಡ
ko kor Korean|کره‌ای|קוריאנית|الكورية|한국어
kr knc,kau Kanuri|کانوریایی|קאנורי|الكانوري
ks kas Kashmiri|کشمیری|קשמירית|الكشميرية|کٲشُر
ku kmr,kur Kurdish|کردی|כורדית|الكردية|kurdî (kurmancî)|Kurmanji
kv kpv,kom Komi|کومیایی|קומי|الكومي
kw cor Cornish|کورنی|קורנית|الكورنية|kernewek
ky kir Kyrgyz|قرقیزی|קירגיזית|القيرغيزية|кыргызча|Kirghiz
la lat Latin|لاتین|לטינית|اللاتينية|Latina
lb ltz Luxembourgish|لوگزامبورگی|לוקסמבורגית|اللكسمبورغية|Lëtzebuergesch
lg lug Ganda|گاندایی|גאנדה|الغاندا|Luganda
li lim Limburgish|لیمبورگی|לימבורגית|الليمبورغية
ln lin Lingala|لینگالا|לינגלה|اللينجالا
lo lao لائوسی|לאו|اللاوية|ລາວ
lt lit Lithuanian|لیتوانیایی|ליטאית|الليتوانية|lietuvių
lu lub Luba-Katanga|لوبایی‐کاتانگا|לובה-קטנגה|اللوبا كاتانغا|Tshiluba
lv lvs,lav Latvian|لتونیایی|לטבית|اللاتفية|latviešu
mg plt,mlg Malagasy|مالاگاسی|מלגשית|الملغاشي
mh mah Marshallese|مارشالی|מרשלית|المارشالية
mi mri,mao Māori|مائوری|מאורית|الماورية
mk mkd,mac Macedonian|مقدونی|מקדונית|المقدونية|македонски
ml mal Malayalam|مالایالامی|מליאלאם|المالايالامية|മലയാളം
mn drh,khk,mon Mongolian|مغولی|מונגולית|المنغولية|монгол
mr mar Marathi|مراتی|מראטהית|الماراثية|मराठी
ms zsm,msa,may Malay|مالایی|מלאית|الماليزية|Melayu
mt mlt Maltese|مالتی|מלטית|المالطية|Malti
my mya,bur Burmese|برمه‌ای|בורמזית|البورمية|မြန်မာ|Myanmar
na nau Nauru|نائورویی|נאורית|النورو
nb nob Norwegian Bokmål|نروژی بوک‌مُل|נורווגית ספרותית|النرويجية بوكمال|norsk bokmål
nd nde North Ndebele|انده‌بله‌ای شمالی|נדבלה צפונית|النديبيل الشمالية|isiNdebele
ne npi,nep Nepali|نپالی|נפאלית|النيبالية|नेपाली
ng ndo Ndonga|اندونگایی|נדונגה|الندونجا
nl nld,dut Dutch|هلندی|הולנדית|الهولندية|Nederlands|Flemish|Hollands
nn nno Norwegian Nynorsk|نروژی نی‌نُشک|נורווגית חדשה|النرويجية نينورسك|norsk nynorsk
no nor Norwegian|نروژی|נורווגית|النرويجية|norsk
nr nbl South Ndebele|انده‌بله‌ای جنوبی|נדבלה דרומית|النديبيل الجنوبي
nv nav Navajo|ناواهویی|נאוואחו|النافاجو|Diné Bizaad
ny nya Nyanja|نیانجایی|ניאנג׳ה|النيانجا
oc oci Occitan|اکسیتان|אוקסיטנית|الأوكسيتانية
oj ojg,oji Ojibwa|اوجیبوایی|אוג׳יבווה|الأوجيبوا
om gaz,orm Oromo|اورومویی|אורומו|الأورومية|Oromoo
or ory,ori Odia|اوریه‌ای|אורייה|الأورية|ଓଡ଼ିଆ|Oriya
os oss Ossetic|آسی|אוסטית|الأوسيتيك|ирон
pa pan Punjabi|پنجابی|פנג׳אבי|البنجابية|ਪੰਜਾਬੀ
pi pli Pali|پالی|פאלי|البالية
pl pol Polish|لهستانی|פולנית|البولندية|polski
ps pbu,pus Pashto|پشتو|פאשטו|البشتو|پښتو|Pushto
pt por Portuguese|پرتغالی|פורטוגזית|البرتغالية|português
qu quz,que Quechua|کچوایی|קצ׳ואה|كيشوا|Runasimi
rm roh Romansh|رومانش|רומאנש|الرومانشية|rumantsch
rn run Rundi|روندیایی|קירונדי|الرندي|Ikirundi
ro mol,ron,rum Romanian|رومانیایی|רומנית|الرومانية|română|Moldavian|Moldovan
ru rus Russian|روسی|רוסית|الروسية|русский|Russkiy
rw kin Kinyarwanda|کینیارواندایی|קנירואנדית|الكينيارواندا|Ikinyarwanda
sa cls,san Sanskrit|سانسکریت|סנסקריט|السنسكريتية|संस्कृत भाषा
sc src,srd Sardinian|ساردینیایی|סרדינית|السردينية|sardu
sd snd Sindhi|سندی|סינדהית|السندية|سنڌي
se sme Northern Sami|سامی شمالی|סמי צפונית|سامي الشمالية|davvisámegiella
sg sag Sango|سانگو|סנגו|السانجو
si sin Sinhala|سینهالی|סינהלה|السنهالية|සිංහල|Singhalese
sk slk,slo Slovak|اسلواکی|סלובקית|السلوفاكية|slovenčina
sl slv Slovenian|اسلوونیایی|סלובנית|السلوفانية|slovenščina
sm smo Samoan|ساموآیی|סמואית|الساموائية
sn sna Shona|شونایی|שונה|الشونا|chiShona
so som Somali|سومالیایی|סומלית|الصومالية|Soomaali
sq als,sqi,alb Albanian|آلبانیایی|אלבנית|الألبانية|shqip
sr scc,srp Serbian|صربی|סרבית|الصربية|српски|Srpski
ss ssw Swati|سوازیایی|סאווזי|السواتي|siSwati
st sot Southern Sotho|سوتوی جنوبی|סותו דרומית|السوتو الجنوبية|Sesotho
su sun Sundanese|سوندایی|סונדנזית|السوندانية|Basa Sunda
sv swe Swedish|سوئدی|שוודית|السويدية|svenska
sw swh,swa Swahili|سواحیلی|סווהילי|السواحلية|Kiswahili
ta tam Tamil|تامیلی|טמילית|التاميلية|தமிழ்
te tel Telugu|تلوگویی|טלוגו|التيلوغوية|తెలుగు
tg tgk Tajik|تاجیکی|טג׳יקית|الطاجيكية|тоҷикӣ
th tha Thai|تایلندی|תאית|التايلاندية|ไทย
ti tir Tigrinya|تیگرینیایی|תיגרינית|التغرينية|ትግርኛ
tk tuk Turkmen|ترکمنی|טורקמנית|التركمانية|türkmen dili
tl tgl Tagalog|تاگالوگی|טאגאלוג|التاغالوغية
tn tsn Tswana|تسوانایی|סוואנה|التسوانية|Setswana
to ton Tongan|تونگایی|טונגאית|التونغية|lea fakatonga
tr tur Turkish|ترکی استانبولی|טורקית|التركية|Türkçe|ترکی
ts tso Tsonga|تسونگایی|טסונגה|السونجا|Xitsonga
tt tat Tatar|تاتاری|טטרית|التترية|татар
tw - توی‌یایی|טווי|التوي
ty tah Tahitian|تاهیتیایی|טהיטית|التاهيتية
ug uig Uyghur|اویغوری|אויגורית|الأويغورية|ئۇيغۇرچە|Uighur
uk ukr Ukrainian|اوکراینی|אוקראינית|الأوكرانية|українська|Ukrainska
ur urd Urdu|اردو|אורדו|الأوردية
uz uzn,uzb Uzbek|ازبکی|אוזבקית|الأوزبكية|o‘zbek
ve ven Venda|وندایی|וונדה|الفيندا|Tshivenḓa
vi vie Vietnamese|ویتنامی|וייטנאמית|الفيتنامية|Tiếng Việt
vo vol Volapük|ولاپوک|‏וולאפיק|لغة الفولابوك
wa wln Walloon|والونی|ולונית|الولونية|walon
wo wol Wolof|ولوفی|וולוף|الولوفية
xh xho Xhosa|خوسایی|קוסה|الخوسا|IsiXhosa
yi ydd,yid Yiddish|یدی|יידיש|اليديشية
yo yor Yoruba|یوروبایی|יורובה|اليوروبا|Èdè Yorùbá
za zyb,zha Zhuang|ژوانگی|זואנג|الزهيونج|Vahcuengh
zh cmn,zho,chi Chinese|چینی|סינית|الصينية|中文|Mandarin|Chinese, Mandarin|汉语|漢語|Putonghua
zu zul Zulu|زولویی|זולו|الزولو|isiZulu
ckb ckb Central Kurdish|کردی مرکزی|כורדית סוראנית|السورانية الكردية|کوردیی ناوەندی|Sorani|کردی سورانی
fil fil Filipino|فیلیپینی|פיליפינית|الفلبينية|Pilipino
prs prs Afghan Persian
yue yue Cantonese|کانتونی|קנטונזית|الكَنْتُونية|粵語
"""
_RENAMED = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro", "sh": "sr", "cmn": "zh", "zsm": "ms"}
_SCRIPTS = {"simplified": "zh-Hans", "traditional": "zh-Hant"}
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?(?:[-_.@][\w.@-]*)?")
_LIST = re.compile(r"[,;]")
_WITH_PLACE = re.compile(r"(.+?)\s*\((.+)\)")


def _table() -> dict[str, str]:
    found: dict[str, str] = {}
    for row in _LANGUAGES.strip().splitlines():
        code, letters, called = row.split(" ", 2)
        for name in (code, *letters.split(","), *called.split("|")):
            found.setdefault(letters_only(name), code)
    return {**found, **_RENAMED}


_CODES = _table()


@lru_cache(maxsize=4096)
def language_tag(text: str) -> str | None:
    """The tag of a language, with its script and region where they are said: `nl_NL` is `nl-NL`, `Farsi` is `fa`. Of a
    browser's list the first. None for what is no language we know."""
    first = _LIST.split(text, maxsplit=1)[0].strip()
    tag = _TAG.fullmatch(first)
    if tag is not None:
        language, script, region = tag.groups()
        code = _CODES.get(language.lower())
        known_region = region is None or region.isdigit() or region.upper() in COUNTRIES
        if code is None or not known_region:
            return None
        return "-".join(filter(None, (code, script and script.title(), region and region.upper())))
    named = _WITH_PLACE.fullmatch(first)
    whole = _CODES.get(letters_only(first))
    if whole is not None or named is None:
        return whole
    code = _CODES.get(letters_only(named.group(1)))
    if code is None:
        return None
    region = country_code(named.group(2))
    return f"{code}-{region}" if region else _SCRIPTS.get(named.group(2).lower()) if code == "zh" else None
