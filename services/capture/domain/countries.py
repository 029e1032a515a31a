"""Countries as people write them: ISO 3166-1 codes of two and three letters, names in English, Persian, Hebrew, Arabic, German,
French, Spanish, Dutch and Turkish, the country's own, and older ones.

Version 1, frozen: a country decides how a number without a country code is read, and so who somebody is. A library's names
change with the world; ids that were given out must not. A country that changes its name gets one more here.
"""

from __future__ import annotations

from functools import lru_cache

from services.capture.domain.text import letters_only

_COUNTRIES = """
AD AND Andorra|آندورا|אנדורה|Andorre
AE ARE United Arab Emirates|امارات متحدهٔ عربی|איחוד האמירויות הערביות|الإمارات العربية المتحدة|Vereinigte Arabische Emirate|Émirats arabes unis|Emiratos Árabes Unidos|Verenigde Arabische Emiraten|Birleşik Arap Emirlikleri|UAE|Emirates|امارات|האמירויות|الإمارات
AF AFG Afghanistan|افغانستان|אפגניסטן|Afganistán|Islamic Republic of Afghanistan
AG ATG Antigua & Barbuda|آنتیگوا و باربودا|אנטיגואה וברבודה|أنتيغوا وبربودا|Antigua und Barbuda|Antigua-et-Barbuda|Antigua y Barbuda|Antigua en Barbuda|Antigua ve Barbuda
AI AIA Anguilla|آنگویلا|אנגווילה|أنغويلا|Anguila
AL ALB Albania|آلبانی|אלבניה|ألبانيا|Shqipëri|Albanien|Albanie|Arnavutluk
AM ARM Armenia|ارمنستان|ארמניה|أرمينيا|Հայաստան|Armenien|Arménie|Ermenistan
AO AGO Angola|آنگولا|אנגולה|أنغولا
AQ ATA Antarctica|جنوبگان|אנטארקטיקה|أنتاركتيكا|Antarktis|Antarctique|Antártida|Antarktika
AR ARG Argentina|آرژانتین|ארגנטינה|الأرجنتين|Argentinien|Argentine|Argentinië|Arjantin
AS ASM American Samoa|ساموآی امریکا|סמואה האמריקנית|ساموا الأمريكية|Amerikanisch-Samoa|Samoa américaines|Samoa Americana|Amerikaans-Samoa|Amerikan Samoası
AT AUT Austria|اتریش|אוסטריה|النمسا|Österreich|Autriche|Oostenrijk|Avusturya
AU AUS Australia|استرالیا|אוסטרליה|Australien|Australie|Avustralya
AW ABW Aruba|آروبا|ארובה
AX ALA Åland Islands|جزایر آلاند|איי אולנד|جزر آلاند|Åland|Ålandinseln|Îles Åland|Islas Aland|Åland Adaları
AZ AZE Azerbaijan|جمهوری آذربایجان|אזרבייג׳ן|أذربيجان|Azərbaycan|Азәрбајҹан|Aserbaidschan|Azerbaïdjan|Azerbaiyán|Azerbeidzjan|Azerbaycan|آذربایجان
BA BIH Bosnia & Herzegovina|بوسنی و هرزگوین|בוסניה והרצגובינה|البوسنة والهرسك|Босна и Херцеговина|Bosna i Hercegovina|Bosnien und Herzegowina|Bosnie-Herzégovine|Bosnia y Herzegovina|Bosnië en Herzegovina|Bosna-Hersek|Bosnia
BB BRB Barbados|باربادوس|ברבדוס|بربادوس|Barbade
BD BGD Bangladesh|بنگلادش|בנגלדש|بنغلاديش|বাংলাদেশ|Bangladesch|Bangladés
BE BEL Belgium|بلژیک|בלגיה|بلجيكا|België|Belgique|Belgien|Bélgica|Belçika
BF BFA Burkina Faso|بورکینافاسو|בורקינה פאסו
BG BGR Bulgaria|بلغارستان|בולגריה|بلغاريا|България|Bulgarien|Bulgarie|Bulgarije|Bulgaristan
BH BHR Bahrain|بحرین|בחריין|البحرين|Bahreïn|Baréin|Bahreyn
BI BDI Burundi|بوروندی|בורונדי|Uburundi
BJ BEN Benin|بنین|בנין
BL BLM St. Barthélemy|سن بارتلمی|סנט ברתולומיאו|سان بارتليمي|Saint-Barthélemy|San Bartolomé
BM BMU Bermuda|برمودا|ברמודה|Bermudes|Bermudas
BN BRN Brunei|برونئی|ברוניי|بروناي|بروني|Brunei Darussalam
BO BOL Bolivia|بولیوی|בוליביה|بوليفيا|Bolivien|Bolivie|Bolivya|Bolivia, Plurinational State of|Plurinational State of Bolivia
BQ BES Caribbean Netherlands|جزایر کارائیب هلند|האיים הקריביים ההולנדיים|هولندا الكاريبية|Caribisch Nederland|Karibische Niederlande|Pays-Bas caribéens|Caribe neerlandés|Karayip Hollandası|Bonaire, Sint Eustatius and Saba|Bonaire
BR BRA Brazil|برزیل|ברזיל|البرازيل|Brasil|Brasilien|Brésil|Brazilië|Brezilya
BS BHS Bahamas|باهاما|איי בהאמה|جزر البهاما|Bahamalar|The Bahamas
BT BTN Bhutan|بوتان|בהוטן|འབྲུག|Bhoutan|Bután
BV BVT Bouvet Island|جزیرهٔ بووه|האי בובה|جزيرة بوفيه|Bouvetinsel|Île Bouvet|Isla Bouvet|Bouveteiland|Bouvet Adası
BW BWA Botswana|بوتسوانا|בוטסואנה|Botsuana|Botsvana
BY BLR Belarus|بلاروس|בלארוס|بيلاروس|Беларусь|Biélorussie|Bielorrusia|Byelorussia|Belorussia
BZ BLZ Belize|بلیز|בליז|Belice
CA CAN Canada|کانادا|קנדה|كندا|Kanada
CC CCK Cocos (Keeling) Islands|جزایر کوکوس|איי קוקוס (קילינג)|جزر كوكوس (كيلينغ)|Kokosinseln|Îles Cocos|Islas Cocos|Cocoseilanden|Cocos (Keeling) Adaları
CD COD Congo - Kinshasa|کنگو - کینشاسا|קונגו - קינשאסה|الكونغو - كينشاسا|Kongo-Kinshasa|República Democrática del Congo|Kongo - Kinşasa|DR Congo|DRC|Democratic Republic of the Congo|Congo, Democratic Republic of the
CF CAF Central African Republic|جمهوری افریقای مرکزی|הרפובליקה המרכז-אפריקאית|جمهورية أفريقيا الوسطى|Ködörösêse tî Bêafrîka|République centrafricaine|Zentralafrikanische Republik|República Centroafricana|Centraal-Afrikaanse Republiek|Orta Afrika Cumhuriyeti
CG COG Congo - Brazzaville|کنگو - برازویل|קונגו - ברזאויל|الكونغو - برازافيل|Kongo-Brazzaville|Congo|Kongo - Brazavil|Republic of the Congo|Congo Republic
CH CHE Switzerland|سوئیس|שווייץ|سويسرا|Schweiz|Schwiiz|Suisse|Svizzera|Suiza|Zwitserland|İsviçre|Swiss
CI CIV Côte d’Ivoire|ساحل عاج|חוף השנהב|ساحل العاج|Ivoorkust|Ivory Coast
CK COK Cook Islands|جزایر کوک|איי קוק|جزر كوك|Cookinseln|Îles Cook|Islas Cook|Cookeilanden|Cook Adaları
CL CHL Chile|شیلی|צ׳ילה|تشيلي|Chili|Şili
CM CMR Cameroon|کامرون|קמרון|الكاميرون|Cameroun|Kamerun|Camerún|Kameroen
CN CHN China|چین|סין|الصين|中国|Chine|Çin|PRC|People s Republic of China|Mainland China
CO COL Colombia|کلمبیا|קולומביה|كولومبيا|Kolumbien|Colombie|Kolombiya
CR CRI Costa Rica|کاستاریکا|קוסטה ריקה|كوستاريكا|Kosta Rika
CU CUB Cuba|کوبا|קובה|Kuba
CV CPV Cape Verde|کیپ‌ورد|כף ורדה|الرأس الأخضر|Cabo Verde|Cap-Vert|Kaapverdië
CW CUW Curaçao|کوراسائو|קוראסאו|كوراساو|Kòrsou|Curazao
CX CXR Christmas Island|جزیرهٔ کریسمس|אי חג המולד|جزيرة كريسماس|Weihnachtsinsel|Île Christmas|Isla de Navidad|Christmaseiland|Christmas Adası
CY CYP Cyprus|قبرس|קפריסין|قبرص|Κύπρος|Kıbrıs|Zypern|Chypre|Chipre
CZ CZE Czechia|چک|צ׳כיה|التشيك|Česko|Tschechien|Tchéquie|Chequia|Tsjechië|Çekya|Czech Republic|Ceska republika|جمهوری چک
DE DDR Germany|آلمان|גרמניה|ألمانيا|Deutschland|Allemagne|Alemania|Duitsland|Almanya|Federal Republic of Germany|Almania
DJ DJI Djibouti|جیبوتی|ג׳יבוטי|Dschibuti|Yibuti|Cibuti
DK DNK Denmark|دانمارک|דנמרק|الدانمرك|Danmark|Dänemark|Dinamarca|Denemarken|Danimarka
DM DMA Dominica|دومینیکا|דומיניקה|Dominique|Dominika
DO DOM Dominican Republic|جمهوری دومینیکن|הרפובליקה הדומיניקנית|جمهورية الدومينيكان|República Dominicana|Dominikanische Republik|République dominicaine|Dominicaanse Republiek|Dominik Cumhuriyeti
DZ DZA Algeria|الجزایر|אלג׳יריה|Algérie|Algerien|Argelia|Algerije|Cezayir
EC ECU Ecuador|اکوادور|אקוודור|الإكوادور|Équateur|Ekvador
EE EST Estonia|استونی|אסטוניה|إستونيا|Eesti|Estland|Estonie|Estonya
EG EGY Egypt|مصر|מצרים|Ägypten|Égypte|Egipto|Mısır|Arab Republic of Egypt
EH ESH Western Sahara|صحرای غربی|סהרה המערבית|الصحراء الغربية|Westsahara|Sahara occidental|Westelijke Sahara|Batı Sahra
ER ERI Eritrea|اریتره|אריתריאה|إريتريا|ኤርትራ|Érythrée|Eritre
ES ESP Spain|اسپانیا|ספרד|إسبانيا|España|Spanien|Espagne|Spanje|İspanya
ET ETH Ethiopia|اتیوپی|אתיופיה|إثيوبيا|ኢትዮጵያ|Äthiopien|Éthiopie|Etiopía|Etiyopya
FI FIN Finland|فنلاند|פינלנד|فنلندا|Suomi|Finnland|Finlande|Finlandia|Finlandiya
FJ FJI Fiji|فیجی|פיג׳י|Fidschi|Fidji|Fiyi
FK FLK Falkland Islands|جزایر فالکلند|איי פוקלנד|جزر فوكلاند|Falklandinseln|Îles Malouines|Islas Malvinas|Falklandeilanden|Falkland Adaları|Falklands
FM FSM Micronesia|میکرونزی|מיקרונזיה|ميكرونيزيا|Mikronesien|Micronésie|Mikronezya|Micronesia, Federated States of|Federated States of Micronesia
FO FRO Faroe Islands|جزایر فارو|איי פארו|جزر فارو|Føroyar|Färöer|Îles Féroé|Islas Feroe|Faeröer|Faroe Adaları
FR FRA France|فرانسه|צרפת|فرنسا|Frankreich|Francia|Frankrijk|Fransa
GA GAB Gabon|گابن|גבון|الغابون|Gabun
GB GBR United Kingdom|بریتانیا|בריטניה|المملكة المتحدة|Vereinigtes Königreich|Royaume-Uni|Reino Unido|Verenigd Koninkrijk|Birleşik Krallık|Great Britain|Britain|England|Scotland|Wales|Northern Ireland|United Kingdom of Great Britain and Northern Ireland|انگلستان|انگلیس|אנגליה|إنجلترا|بريطانيا|Engeland|Angleterre|Großbritannien|Inglaterra|İngiltere
GD GRD Grenada|گرنادا|גרנדה|غرينادا|Grenade|Granada
GE GEO Georgia|گرجستان|גאורגיה|جورجيا|საქართველო|Georgien|Géorgie|Gürcistan
GF GUF French Guiana|گویان فرانسه|גיאנה הצרפתית|غويانا الفرنسية|Guyane française|Französisch-Guayana|Guayana Francesa|Frans-Guyana|Fransız Guyanası
GG GGY Guernsey|گرنزی|גרנזי|غيرنزي|Guernesey
GH GHA Ghana|غنا|גאנה|غانا|Gana
GI GIB Gibraltar|جبل‌الطارق|גיברלטר|جبل طارق|Cebelitarık
GL GRL Greenland|گرینلند|גרינלנד|غرينلاند|Kalaallit Nunaat|Grönland|Groenland|Groenlandia
GM GMB Gambia|گامبیا|גמביה|غامبيا|Gambie|Gambiya|The Gambia
GN GIN Guinea|گینه|גינאה|غينيا|Guinée|Gine
GP GLP Guadeloupe|گوادلوپ|גוואדלופ|غوادلوب|Guadalupe
GQ GNQ Equatorial Guinea|گینهٔ استوایی|גינאה המשוונית|غينيا الاستوائية|Guinea Ecuatorial|Guinée équatoriale|Guiné Equatorial|Äquatorialguinea|Equatoriaal-Guinea|Ekvator Ginesi
GR GRC Greece|یونان|יוון|اليونان|Ελλάδα|Griechenland|Grèce|Grecia|Griekenland|Yunanistan
GS SGS South Georgia & South Sandwich Islands|جورجیای جنوبی و جزایر ساندویچ جنوبی|ג׳ורג׳יה הדרומית ואיי סנדוויץ׳ הדרומיים|جورجيا الجنوبية وجزر ساندويتش الجنوبية|Südgeorgien und die Südlichen Sandwichinseln|Géorgie du Sud-et-les Îles Sandwich du Sud|Islas Georgia del Sur y Sandwich del Sur|Zuid-Georgia en Zuidelijke Sandwicheilanden|Güney Georgia ve Güney Sandwich Adaları
GT GTM Guatemala|گواتمالا|גואטמלה|غواتيمالا
GU GUM Guam|گوام|גואם|غوام
GW GNB Guinea-Bissau|گینهٔ بیسائو|גינאה-ביסאו|غينيا بيساو|Guiné-Bissau|Guinée-Bissau|Guinea-Bisáu|Gine-Bissau
GY GUY Guyana|گویان|גיאנה|غيانا
HK HKG Hong Kong SAR China|هنگ‌کنگ، منطقهٔ ویژهٔ اداری چین|הונג קונג (אזור מנהלי מיוחד של סין)|هونغ كونغ الصينية (منطقة إدارية خاصة)|中國香港特別行政區|Sonderverwaltungsregion Hongkong|R.A.S. chinoise de Hong Kong|RAE de Hong Kong (China)|Hongkong SAR van China|Çin Hong Kong ÖİB|Hong Kong
HM HMD Heard & McDonald Islands|هرد و جزایر مک‌دونالد|איי הרד ומקדונלד|جزيرة هيرد وجزر ماكدونالد|Heard und McDonaldinseln|Îles Heard-et-MacDonald|Islas Heard y McDonald|Heard en McDonaldeilanden|Heard Adası ve McDonald Adaları
HN HND Honduras|هندوراس|הונדורס
HR HRV Croatia|کرواسی|קרואטיה|كرواتيا|Hrvatska|Kroatien|Croatie|Croacia|Kroatië|Hırvatistan
HT HTI Haiti|هائیتی|האיטי|هايتي
HU HUN Hungary|مجارستان|הונגריה|هنغاريا|Magyarország|Ungarn|Hongrie|Hungría|Hongarije|Macaristan
ID IDN Indonesia|اندونزی|אינדונזיה|إندونيسيا|Indonesien|Indonésie|Endonezya
IE IRL Ireland|ایرلند|אירלנד|أيرلندا|Éire|Irland|Irlande|Irlanda|Ierland|Republic of Ireland
IL ISR Israel|اسرائیل|ישראל|İsrail|State of Israel
IM IMN Isle of Man|جزیرهٔ من|האי מאן|جزيرة مان|Ellan Vannin|Île de Man|Isla de Man|Man Adası
IN IND India|هند|הודו|الهند|भारत|Indien|Inde|Hindistan|Republic of India|Hindustan
IO IOT British Indian Ocean Territory|قلمرو بریتانیا در اقیانوس هند|הטריטוריה הבריטית באוקיינוס ההודי|الإقليم البريطاني في المحيط الهندي|Britisches Territorium im Indischen Ozean|Territoire britannique de l’océan Indien|Territorio Británico del Océano Índico|Brits Indische Oceaanterritorium|Britanya Hint Okyanusu Toprakları
IQ IRQ Iraq|عراق|עיראק|العراق|Irak|Republic of Iraq
IR IRN Iran|ایران|איראן|Islamic Republic of Iran|Iran, Islamic Republic of|Persia|جمهوری اسلامی ایران
IS ISL Iceland|ایسلند|איסלנד|آيسلندا|Ísland|Islande|Islandia|IJsland|İzlanda
IT ITA Italy|ایتالیا|איטליה|إيطاليا|Italia|Italien|Italie|İtalya
JE JEY Jersey|جرزی|ג׳רזי|جيرسي
JM JAM Jamaica|جامائیکا|ג׳מייקה|جامايكا|Jamaika|Jamaïque
JO JOR Jordan|اردن|ירדן|الأردن|Jordanien|Jordanie|Jordania|Ürdün
JP JPN Japan|ژاپن|יפן|اليابان|日本|Japon|Japonya
KE KEN Kenya|کنیا|קניה|كينيا|Kenia
KG KGZ Kyrgyzstan|قرقیزستان|קירגיזסטן|قيرغيزستان|Кыргызстан|Киргизия|Kirgisistan|Kirghizstan|Kirguistán|Kirgizië|Kırgızistan
KH KHM Cambodia|کامبوج|קמבודיה|كمبوديا|កម្ពុជា|Kambodscha|Cambodge|Camboya|Cambodja|Kamboçya
KI KIR Kiribati|کیریباتی|קיריבאטי
KM COM Comoros|کومور|קומורו|جزر القمر|Comores|Komoren|Comoras|Comoren|Komorlar
KN KNA St. Kitts & Nevis|سنت کیتس و نویس|סנט קיטס ונוויס|سانت كيتس ونيفيس|St. Kitts und Nevis|Saint-Christophe-et-Niévès|San Cristóbal y Nieves|Saint Kitts en Nevis|Saint Kitts ve Nevis|Saint Kitts and Nevis
KP PRK North Korea|کرهٔ شمالی|קוריאה הצפונית|كوريا الشمالية|북한|Nordkorea|Corée du Nord|Corea del Norte|Noord-Korea|Kuzey Kore|Korea, Democratic People s Republic of|DPRK
KR KOR South Korea|کرهٔ جنوبی|קוריאה הדרומית|كوريا الجنوبية|대한민국|Südkorea|Corée du Sud|Corea del Sur|Zuid-Korea|Güney Kore|Korea, Republic of|Republic of Korea|Korea (South)
KW KWT Kuwait|کویت|כווית|الكويت|Koweït|Koeweit|Kuveyt
KY CYM Cayman Islands|جزایر کِیمن|איי קיימן|جزر كايمان|Kaimaninseln|Îles Caïmans|Islas Caimán|Kaaimaneilanden|Cayman Adaları
KZ KAZ Kazakhstan|قزاقستان|קזחסטן|كازاخستان|Казахстан|Қазақстан|Kasachstan|Kazajistán|Kazachstan|Kazakistan
LA LAO Laos|لائوس|לאוס|لاوس|ລາວ|Lao PDR|Lao People s Democratic Republic
LB LBN Lebanon|لبنان|לבנון|Libanon|Liban|Líbano|Lübnan
LC LCA St. Lucia|سنت لوسیا|סנט לוסיה|سانت لوسيا|Sainte-Lucie|Santa Lucía|Saint Lucia
LI LIE Liechtenstein|لیختن‌اشتاین|ליכטנשטיין|ليختنشتاين|Liächteschtäi
LK LKA Sri Lanka|سری‌لانکا|סרי לנקה|ශ්‍රී ලංකාව|இலங்கை
LR LBR Liberia|لیبریا|ליבריה|ليبيريا|Liberya
LS LSO Lesotho|لسوتو|לסוטו|ليسوتو|Lesoto
LT LTU Lithuania|لیتوانی|ליטא|ليتوانيا|Lietuva|Litauen|Lituanie|Lituania|Litouwen|Litvanya
LU LUX Luxembourg|لوکزامبورگ|לוקסמבורג|لوكسمبورغ|Lëtzebuerg|Luxemburg|Luxemburgo|Lüksemburg
LV LVA Latvia|لتونی|לטביה|لاتفيا|Latvija|Lettland|Lettonie|Letonia|Letland|Letonya
LY LBY Libya|لیبی|לוב|ليبيا|Libyen|Libye|Libia|Libië|Libyan Arab Jamahiriya
MA MAR Morocco|مراکش|מרוקו|المغرب|Maroc|Meṛṛuk|Marokko|Marruecos|Fas
MC MCO Monaco|موناکو|מונקו|Monako
MD MDA Moldova|مولداوی|מולדובה|مولدوفا|Republica Moldova|Republik Moldau|Moldavie|Moldavia|Moldova, Republic of|Republic of Moldova
ME MNE Montenegro|مونته‌نگرو|מונטנגרו|الجبل الأسود|Crna Gora|Karadağ
MF MAF St. Martin|سنت مارتین|סן מרטן|سان مارتن|Saint-Martin|San Martín
MG MDG Madagascar|ماداگاسکار|מדגסקר|مدغشقر|Madagasikara|Madagaskar
MH MHL Marshall Islands|جزایر مارشال|איי מרשל|جزر مارشال|Marshallinseln|Îles Marshall|Islas Marshall|Marshalleilanden|Marshall Adaları
MK MKD North Macedonia|مقدونیهٔ شمالی|מקדוניה הצפונית|مقدونيا الشمالية|Северна Македонија|Nordmazedonien|Macédoine du Nord|Macedonia del Norte|Noord-Macedonië|Kuzey Makedonya|Macedonia|Republic of North Macedonia
ML MLI Mali|مالی|מאלי
MM BUR Myanmar (Burma)|میانمار (برمه)|מיאנמר (בורמה)|ميانمار (بورما)|မြန်မာ|Myanmar|Myanmar (Birmanie)|Myanmar (Birmania)|Myanmar (Birma)|Burma
MN MNG Mongolia|مغولستان|מונגוליה|منغوليا|Монгол|Mongolei|Mongolie|Moğolistan
MO MAC Macao SAR China|ماکائو، منطقهٔ ویژهٔ اداری چین|מקאו (אזור מנהלי מיוחד של סין)|منطقة ماكاو الإدارية الخاصة|中國澳門特別行政區|Macau, RAE da China|Sonderverwaltungsregion Macau|R.A.S. chinoise de Macao|RAE de Macao (China)|Macau SAR van China|Çin Makao ÖİB|Macau|Macao
MP MNP Northern Mariana Islands|جزایر ماریانای شمالی|איי מריאנה הצפוניים|جزر ماريانا الشمالية|Nördliche Marianen|Îles Mariannes du Nord|Islas Marianas del Norte|Noordelijke Marianen|Kuzey Mariana Adaları
MQ MTQ Martinique|مارتینیک|מרטיניק|جزر المارتينيك|Martinica|Martinik
MR MRT Mauritania|موریتانی|מאוריטניה|موريتانيا|Mauretanien|Mauritanie|Moritanya
MS MSR Montserrat|مونت‌سرات|מונסראט
MT MLT Malta|مالت|מלטה|مالطا|Malte
MU MUS Mauritius|موریس|מאוריציוס|موريشيوس|Maurice|Mauricio
MV MDV Maldives|مالدیو|האיים המלדיביים|جزر المالديف|ދިވެހި ރާއްޖެ|Malediven|Maldivas|Maldiven|Maldivler
MW MWI Malawi|مالاوی|מלאווי|ملاوي|Malaui|Malavi
MX MEX Mexico|مکزیک|מקסיקו|المكسيك|Mexiko|Mexique|Meksika
MY MYS Malaysia|مالزی|מלזיה|ماليزيا|Malaisie|Malasia|Maleisië|Malezya
MZ MOZ Mozambique|موزامبیک|מוזמביק|موزمبيق|Moçambique|Mosambik|Mozambik
NA NAM Namibia|نامیبیا|נמיביה|Namibie|Namibya
NC NCL New Caledonia|کالدونیای جدید|קלדוניה החדשה|كاليدونيا الجديدة|Nouvelle-Calédonie|Neukaledonien|Nueva Caledonia|Nieuw-Caledonië|Yeni Kaledonya
NE NER Niger|نیجر|ניז׳ר|النيجر|Nijer
NF NFK Norfolk Island|جزیرهٔ نورفولک|האי נורפוק|جزيرة نورفولك|Norfolkinsel|Île Norfolk|Isla Norfolk|Norfolk|Norfolk Adası
NG NGA Nigeria|نیجریه|ניגריה|نيجيريا|Nàìjíríà|Nijerya
NI NIC Nicaragua|نیکاراگوئه|ניקרגואה|نيكاراغوا|Nikaragua
NL NLD Netherlands|هلند|הולנד|هولندا|Nederland|Niederlande|Pays-Bas|Países Bajos|Hollanda|Holland|The Netherlands|Hollande|Holanda
NO NOR Norway|نروژ|נורווגיה|النرويج|Norge|Noreg|Norwegen|Norvège|Noruega|Noorwegen|Norveç
NP NPL Nepal|نپال|נפאל|نيبال|नेपाल
NR NRU Nauru|نائورو|נאורו|ناورو
NU NIU Niue|نیوئه|ניווה|نيوي
NZ NZL New Zealand|نیوزیلند|ניו זילנד|نيوزيلندا|Aotearoa|Neuseeland|Nouvelle-Zélande|Nueva Zelanda|Nieuw-Zeeland|Yeni Zelanda
OM OMN Oman|عمان|עומאן|Umman
PA PAN Panama|پاناما|פנמה|بنما
PE PER Peru|پرو|פרו|بيرو|Pérou
PF PYF French Polynesia|پلی‌نزی فرانسه|פולינזיה הצרפתית|بولينيزيا الفرنسية|Polynésie française|Französisch-Polynesien|Polinesia Francesa|Frans-Polynesië|Fransız Polinezyası
PG PNG Papua New Guinea|پاپوا گینهٔ نو|פפואה גינאה החדשה|بابوا غينيا الجديدة|Papua Niugini|Papua-Neuguinea|Papouasie-Nouvelle-Guinée|Papúa Nueva Guinea|Papoea-Nieuw-Guinea|Papua Yeni Gine
PH PHL Philippines|فیلیپین|הפיליפינים|الفلبين|Pilipinas|Philippinen|Filipinas|Filipijnen|Filipinler|The Philippines
PK PAK Pakistan|پاکستان|פקיסטן|باكستان
PL POL Poland|لهستان|פולין|بولندا|Polska|Polen|Pologne|Polonia|Polonya
PM SPM St. Pierre & Miquelon|سن پیر و میکلن|סנט פייר ומיקלון|سان بيير ومكويلون|Saint-Pierre-et-Miquelon|St. Pierre und Miquelon|San Pedro y Miquelón|Saint-Pierre en Miquelon|Saint Pierre ve Miquelon|Saint Pierre and Miquelon
PN PCN Pitcairn Islands|جزایر پیت‌کرن|איי פיטקרן|جزر بيتكيرن|Pitcairninseln|Îles Pitcairn|Islas Pitcairn|Pitcairneilanden|Pitcairn Adaları
PR PRI Puerto Rico|پورتوریکو|פוארטו ריקו|بورتوريكو|Porto Rico|Porto Riko
PS PSE Palestinian Territories|سرزمین‌های فلسطینی|השטחים הפלסטיניים|الأراضي الفلسطينية|Palästinensische Autonomiegebiete|Territoires palestiniens|Territorios Palestinos|Palestijnse gebieden|Filistin Bölgeleri|Palestine|State of Palestine|Palestine, State of|فلسطین|פלסטין
PT PRT Portugal|پرتغال|פורטוגל|البرتغال|Portekiz
PW PLW Palau|پالائو|פלאו|بالاو|Palaos
PY PRY Paraguay|پاراگوئه|פרגוואי|باراغواي|Paraguai
QA QAT Qatar|قطر|קטאר|Katar|Catar
RE REU Réunion|رئونیون|ראוניון|روينيون|La Réunion
RO ROU Romania|رومانی|רומניה|رومانيا|Rumänien|Roumanie|Rumanía|Roemenië|Romanya
RS SRB Serbia|صربستان|סרביה|صربيا|Srbija|Србија|Serbien|Serbie|Servië|Sırbistan
RU RUS Russia|روسیه|רוסיה|روسيا|Россия|Russland|Russie|Rusia|Rusland|Rusya|Russian Federation|فدراسیون روسیه|Rossiya
RW RWA Rwanda|رواندا|רואנדה|U Rwanda|Ruanda
SA SAU Saudi Arabia|عربستان سعودی|ערב הסעודית|المملكة العربية السعودية|Saudi-Arabien|Arabie saoudite|Arabia Saudí|Saoedi-Arabië|Suudi Arabistan|KSA|Saudi|سعودی|السعودية|Kingdom of Saudi Arabia
SB SLB Solomon Islands|جزایر سلیمان|איי שלמה|جزر سليمان|Salomonen|Îles Salomon|Islas Salomón|Salomonseilanden|Solomon Adaları
SC SYC Seychelles|سیشل|איי סיישל|Seychellen|Seyşeller
SD SDN Sudan|سودان|סודן|السودان|Soudan|Soedan|The Sudan
SE SWE Sweden|سوئد|שוודיה|السويد|Sverige|Schweden|Suède|Suecia|Zweden|İsveç
SG SGP Singapore|سنگاپور|סינגפור|سنغافورة|新加坡|Singapura|சிங்கப்பூர்|Singapur|Singapour
SH SHN St. Helena|سنت هلن|סנט הלנה|سانت هيلينا|Sainte-Hélène|Santa Elena|Sint-Helena|Saint Helena
SI SVN Slovenia|اسلوونی|סלובניה|سلوفينيا|Slovenija|Slowenien|Slovénie|Eslovenia|Slovenya
SJ SJM Svalbard & Jan Mayen|سوالبارد و یان ماین|סבאלברד ויאן מאיין|سفالبارد وجان ماين|Svalbard og Jan Mayen|Spitzbergen und Jan Mayen|Svalbard et Jan Mayen|Svalbard y Jan Mayen|Spitsbergen en Jan Mayen|Svalbard ve Jan Mayen
SK SVK Slovakia|اسلواکی|סלובקיה|سلوفاكيا|Slovensko|Slowakei|Slovaquie|Eslovaquia|Slowakije|Slovakya
SL SLE Sierra Leone|سیرالئون|סיירה לאון|Sierra Leona
SM SMR San Marino|سان‌مارینو|סן מרינו|Saint-Marin
SN SEN Senegal|سنگال|סנגל|السنغال|Senegaal
SO SOM Somalia|سومالی|סומליה|الصومال|Soomaaliya|Somalie|Somali
SR SUR Suriname|سورینام|סורינאם|Surinam
SS SSD South Sudan|سودان جنوبی|דרום סודן|جنوب السودان|Südsudan|Soudan du Sud|Sudán del Sur|Zuid-Soedan|Güney Sudan
ST STP São Tomé & Príncipe|سائوتومه و پرینسیپ|סאו טומה ופרינסיפה|ساو تومي وبرينسيبي|São Tomé e Príncipe|São Tomé und Príncipe|Sao Tomé-et-Principe|Santo Tomé y Príncipe|Sao Tomé en Principe|Sao Tome ve Principe
SV SLV El Salvador|السالوادور|אל סלבדור|السلفادور|Salvador
SX SXM Sint Maarten|سنت مارتن|סנט מארטן|سانت مارتن|Saint-Martin (partie néerlandaise)
SY SYR Syria|سوریه|סוריה|سوريا|Syrien|Syrie|Siria|Suriye|Syrian Arab Republic
SZ SWZ Eswatini|اسواتینی|אסוואטיני|Esuatini|Esvatini|Swaziland
TC TCA Turks & Caicos Islands|جزایر تورکس و کایکوس|איי טרקס וקייקוס|جزر توركس وكايكوس|Turks- und Caicosinseln|Îles Turques-et-Caïques|Islas Turcas y Caicos|Turks- en Caicoseilanden|Turks ve Caicos Adaları
TD TCD Chad|چاد|צ׳אד|تشاد|Tchad|Tschad|Tsjaad|Çad
TF ATF French Southern Territories|سرزمین‌های جنوبی فرانسه|הטריטוריות הדרומיות של צרפת|الأقاليم الجنوبية الفرنسية|Französische Süd- und Antarktisgebiete|Terres australes françaises|Territorios Australes Franceses|Franse Gebieden in de zuidelijke Indische Oceaan|Fransız Güney Toprakları
TG TGO Togo|توگو|טוגו|توغو
TH THA Thailand|تایلند|תאילנד|تايلاند|ไทย|Thaïlande|Tailandia|Tayland
TJ TJK Tajikistan|تاجیکستان|טג׳יקיסטן|طاجيكستان|Тоҷикистон|Tadschikistan|Tadjikistan|Tayikistán|Tadzjikistan|Tacikistan
TK TKL Tokelau|توکلائو|טוקלאו|توكيلاو
TL TLS Timor-Leste|تیمور-لسته|טימור-לסטה|تيمور - ليشتي|Timor oriental|Oost-Timor|East Timor
TM TKM Turkmenistan|ترکمنستان|טורקמניסטן|تركمانستان
TN TUN Tunisia|تونس|תוניסיה|Tunisie|Tunesien|Túnez|Tunesië|Tunus
TO TON Tonga|تونگا|טונגה|تونغا
TR TUR Türkiye|ترکیه|טורקיה|تركيا|Türkei|Turquie|Turquía|Turkije|Turkey|Turkiye Cumhuriyeti|Republic of Turkey
TT TTO Trinidad & Tobago|ترینیداد و توباگو|טרינידד וטובגו|ترينيداد وتوباغو|Trinidad und Tobago|Trinité-et-Tobago|Trinidad y Tobago|Trinidad en Tobago|Trinidad ve Tobago|Trinidad
TV TUV Tuvalu|تووالو|טובאלו|توفالو
TW TWN Taiwan|تایوان|טייוואן|台灣|Tayvan|Taiwan, Province of China
TZ TZA Tanzania|تانزانیا|טנזניה|تنزانيا|Tansania|Tanzanie|Tanzanya|Tanzania, United Republic of|United Republic of Tanzania
UA UKR Ukraine|اوکراین|אוקראינה|أوكرانيا|Україна|Украина|Ucrania|Oekraïne|Ukrayna|The Ukraine
UG UGA Uganda|اوگاندا|אוגנדה|أوغندا|Ouganda|Oeganda
UM UMI U.S. Outlying Islands|جزایر دورافتادهٔ ایالات متحده|האיים המרוחקים הקטנים של ארה״ב|جزر الولايات المتحدة النائية|Amerikanische Überseeinseln|Îles mineures éloignées des États-Unis|Islas menores alejadas de EE. UU.|Kleine afgelegen eilanden van de Verenigde Staten|ABD Küçük Harici Adaları
US USA United States|ایالات متحده|ארצות הברית|الولايات المتحدة|Vereinigte Staaten|États-Unis|Estados Unidos|Verenigde Staten|Amerika Birleşik Devletleri|USA|United States of America|America|The States|ایالات متحدهٔ امریکا|آمریکا|ארה״ב|Etats-Unis d Amerique|EE.UU.|Amerika
UY URY Uruguay|اروگوئه|אורוגוואי|أورغواي
UZ UZB Uzbekistan|ازبکستان|אוזבקיסטן|أوزبكستان|Oʻzbekiston|Ўзбекистон|Usbekistan|Ouzbékistan|Oezbekistan|Özbekistan
VA VAT Vatican City|واتیکان|הוותיקן|الفاتيكان|Città del Vaticano|Vatikanstadt|État de la Cité du Vatican|Ciudad del Vaticano|Vaticaanstad|Vatikan|Vatican|Holy See
VC VCT St. Vincent & Grenadines|سنت وینسنت و گرنادین|סנט וינסנט והגרנדינים|سانت فنسنت وجزر غرينادين|St. Vincent und die Grenadinen|Saint-Vincent-et-les Grenadines|San Vicente y las Granadinas|Saint Vincent en de Grenadines|Saint Vincent ve Grenadinler|Saint Vincent and the Grenadines
VE VEN Venezuela|ونزوئلا|ונצואלה|فنزويلا|Venezuela, Bolivarian Republic of|Bolivarian Republic of Venezuela
VG VGB British Virgin Islands|جزایر ویرجین بریتانیا|איי הבתולה הבריטיים|جزر فيرجن البريطانية|Britische Jungferninseln|Îles Vierges britanniques|Islas Vírgenes Británicas|Britse Maagdeneilanden|Britanya Virjin Adaları|Virgin Islands, British
VI VIR U.S. Virgin Islands|جزایر ویرجین ایالات متحده|איי הבתולה של ארצות הברית|جزر فيرجن الأمريكية|Amerikanische Jungferninseln|Îles Vierges des États-Unis|Islas Vírgenes de EE. UU.|Amerikaanse Maagdeneilanden|ABD Virjin Adaları|Virgin Islands, U.S.
VN VNM Vietnam|ویتنام|וייטנאם|فيتنام
VU VUT Vanuatu|وانواتو|ונואטו|فانواتو
WF WLF Wallis & Futuna|والیس و فوتونا|איי ווליס ופוטונה|جزر والس وفوتونا|Wallis-et-Futuna|Wallis und Futuna|Wallis y Futuna|Wallis en Futuna|Wallis ve Futuna
WS WSM Samoa|ساموآ|סמואה
XK XKX Kosovo|کوزوو|קוסובו|كوسوفو|Kosovë|Косово|Kosova|Republic of Kosovo
YE YMD Yemen|یمن|תימן|اليمن|Jemen
YT MYT Mayotte|مایوت|מאיוט
ZA ZAF South Africa|افریقای جنوبی|דרום אפריקה|جنوب أفريقيا|Südafrika|Afrique du Sud|Sudáfrica|Zuid-Afrika|Güney Afrika|RSA
ZM ZMB Zambia|زامبیا|זמביה|Sambia|Zambie|Zambiya
ZW ZWE Zimbabwe|زیمبابوه|זימבבואה|زيمبابوي|Simbabwe|Zimbabue|Zimbabve
"""
_ALSO_CALLED = {"UK": "GB", "EL": "GR"}


def _table() -> tuple[frozenset[str], dict[str, str]]:
    codes: list[str] = []
    names: dict[str, str] = {}
    for row in _COUNTRIES.strip().splitlines():
        code, letters, called = row.split(" ", 2)
        codes.append(code)
        for name in (letters, *called.split("|")):
            names[letters_only(name)] = code
    return frozenset(codes), names


COUNTRIES, _NAMES = _table()


@lru_cache(maxsize=4096)
def country_code(text: str) -> str | None:
    """The ISO 3166-1 alpha-2 code that a code or a name means, or None."""
    code = text.upper()
    code = _ALSO_CALLED.get(code, code)
    return code if code in COUNTRIES else _NAMES.get(letters_only(text))
